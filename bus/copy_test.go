package bus_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"noroshi/bus"
	"noroshi/fault"
)

// files opens a bus for its files alone.
func files(t *testing.T, dir string) *bus.Server {
	t.Helper()
	s, err := bus.NewServer(bus.ServerConfig{Dir: dir, Listen: "127.0.0.1:0", TLS: &tls.Config{MinVersion: tls.VersionTLS13}, MaxBytes: 16 << 20}, bus.ServerDeps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func lineOf(t *testing.T, s *bus.Server) *bus.Hub {
	t.Helper()
	h, err := s.Hub(t.Context(), bus.Single(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func copyOf(t *testing.T, h *bus.Hub) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err := h.Copy(t.Context(), func(stream string, fill func(io.Writer) error) error {
		var b bytes.Buffer
		err := fill(&b)
		out[stream] = b.String()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// numbers reads what a stage holds, n messages.
func numbers(t *testing.T, h *bus.Hub, stage string, n int) (list []uint64) {
	t.Helper()
	p, err := h.Stage(t.Context(), stage)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	for range n {
		m, err := p.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m.Seq)
	}
	return list
}

func publish(t *testing.T, h *bus.Hub, stages string) {
	t.Helper()
	for i, s := range strings.Split(stages, "") {
		if err := h.PublishStage(t.Context(), s, stages+string(rune('0'+i)), "of "+s); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRestoredBusKeepsItsNumbers copies a bus with holes: stage a has forgotten
// messages that lie between those of stage b.
func TestRestoredBusKeepsItsNumbers(t *testing.T) {
	h := lineOf(t, files(t, t.TempDir()))
	publish(t, h, "ababab")
	p, err := h.Stage(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	var m *bus.Message
	for range 2 {
		if m, err = p.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	release := h.Hold()
	acked := make(chan error, 1)
	go func() { acked <- p.Done(context.Background(), m.Seq) }()
	held := copyOf(t, h)
	release()
	if err := <-acked; err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(held["STAGE"], "\n"); n != 7 {
		t.Errorf("what was held lost messages: %d lines", n)
	}
	later := copyOf(t, h)

	second := files(t, t.TempDir())
	for stream, lines := range later {
		if err := second.Restore(t.Context(), stream, strings.NewReader(lines)); err != nil {
			t.Fatal(err)
		}
	}
	restored := lineOf(t, second)
	if again := copyOf(t, restored); again["STAGE"] == "" || messages(again["STAGE"]) != messages(later["STAGE"]) {
		t.Errorf("%s became %s", later["STAGE"], again["STAGE"])
	}
	publish(t, restored, "ba")
	if a, b := numbers(t, restored, "a", 2), numbers(t, restored, "b", 4); !slices.Equal(a, []uint64{5, 8}) || !slices.Equal(b, []uint64{2, 4, 6, 7}) {
		t.Errorf("stage a has the numbers %v, and b %v", a, b)
	}
}

// messages is a copy without its first line.
func messages(s string) string { _, rest, _ := strings.Cut(s, "\n"); return rest }

func TestEmptyStreamGoesOnAfterItsLastNumber(t *testing.T) {
	h := lineOf(t, files(t, t.TempDir()))
	publish(t, h, "aaa")
	p, err := h.Stage(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	var m *bus.Message
	for range 3 {
		if m, err = p.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Done(t.Context(), m.Seq); err != nil {
		t.Fatal(err)
	}
	second := files(t, t.TempDir())
	if err := second.Restore(t.Context(), "STAGE", strings.NewReader(copyOf(t, h)["STAGE"])); err != nil {
		t.Fatal(err)
	}
	restored := lineOf(t, second)
	publish(t, restored, "b")
	if got := numbers(t, restored, "b", 1); got[0] != 4 {
		t.Errorf("after three messages the next has the number %d", got[0])
	}
}

func TestHostileCopiesOfStreamsAreRefused(t *testing.T) {
	s := files(t, t.TempDir())
	for name, c := range map[string][2]string{
		"another stream":  {"STAGE", `{"config":{"name":"OBS","subjects":["x"]},"first":1}`},
		"strange name":    {"../x", `{"config":{"name":"../x","subjects":["x"]},"first":1}`},
		"no number":       {"A", `{"config":{"name":"A","subjects":["a"]},"first":0}`},
		"nothing":         {"B", ``},
		"no JSON":         {"C", `garbage`},
		"inside subjects": {"D", `{"config":{"name":"D","subjects":["$JS.>"]},"first":1}`},
		"backwards":       {"E", `{"config":{"name":"E","subjects":["e"]},"first":5}` + "\n" + `{"seq":4,"subject":"e","data":""}`},
		"a great hole":    {"F", `{"config":{"name":"F","subjects":["f"]},"first":1}` + "\n" + `{"seq":9000000000,"subject":"f","data":""}`},
		"other subject":   {"G", `{"config":{"name":"G","subjects":["g"]},"first":1}` + "\n" + `{"seq":1,"subject":"$JS.API.STREAM.DELETE.E","data":""}`},
		"endless line":    {"H", `{"config":{"name":"H","subjects":["h"]},"first":1}` + "\n" + strings.Repeat("x", 3<<20)},
	} {
		if err := s.Restore(t.Context(), c[0], strings.NewReader(c[1])); fault.KindOf(err) != fault.Invalid && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if err == nil {
			t.Errorf("%s: it was restored", name)
		}
	}
}
