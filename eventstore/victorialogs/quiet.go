package victorialogs

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"sync"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logger"
)

// The engine keeps its settings in the process's flags and writes its log where
// a global says. Both are set once per process, by the first store that opens:
// a later one shares its memory and its log.
var tameOnce sync.Once

func tame(memoryMiB int, log *slog.Logger) error {
	var err error
	tameOnce.Do(func() {
		if !flag.Parsed() {
			err = flag.CommandLine.Parse(nil) // The engine refuses to work before flags were parsed.
		}
		if err == nil {
			err = flag.Set("memory.allowedBytes", fmt.Sprintf("%dMiB", memoryMiB))
		}
		logger.SetOutputForTests(lineLog{log}) // Named for tests, but the only door.
	})
	return err
}

// lineLog passes the engine's log lines, "time, level, place, message" between
// tabs, to the project's log. What the engine says of each step of its work is
// for debugging only.
type lineLog struct{ log *slog.Logger }

func (l lineLog) Write(p []byte) (int, error) {
	part := bytes.SplitN(bytes.TrimSpace(p), []byte("\t"), 4)
	if len(part) < 4 {
		part = [][]byte{nil, []byte("error"), nil, p}
	}
	level := slog.LevelError // error, panic, fatal
	switch string(part[1]) {
	case "info":
		level = slog.LevelDebug
	case "warn":
		level = slog.LevelWarn
	}
	l.log.Log(context.Background(), level, "event store engine", "place", string(part[2]), "says", string(part[3]))
	return len(p), nil
}
