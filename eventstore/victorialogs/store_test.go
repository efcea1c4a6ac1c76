package victorialogs_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/victorialogs"
)

func open(t testing.TB, dir string) eventstore.Store {
	t.Helper()
	s, err := victorialogs.Open(victorialogs.Config{Dir: dir, MemoryMiB: 128, Retention: 30 * 24 * time.Hour}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	storetest.Contract(t, func(t *testing.T) eventstore.Store {
		s := open(t, t.TempDir())
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
}

const perRound = 1000

// TestMain lets the test binary be its own victim: with a folder in the
// environment it appends and syncs, says so, and goes on until it is killed.
func TestMain(m *testing.M) {
	dir := os.Getenv("NOROSHI_TEST_VICTIM")
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := victorialogs.Open(victorialogs.Config{Dir: dir, Retention: 30 * 24 * time.Hour}, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	for seq := uint64(0); ; {
		var rows []eventstore.Row
		for range perRound {
			rows = append(rows, eventstore.Row{Tenant: 1, Event: storetest.Event("org_a", seq, time.Now(), "x.test")})
			seq++
		}
		if err := s.Append(nil, rows); err != nil { //nolint:staticcheck // the driver needs no context here
			panic(err)
		}
		if err := s.Sync(nil); err != nil { //nolint:staticcheck // the same
			panic(err)
		}
		fmt.Println(seq)
	}
}

func TestWhatWasSyncedSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	start := time.Now().Add(-time.Minute)
	c := exec.Command(os.Args[0], "-test.run=none")
	c.Env = append(os.Environ(), "NOROSHI_TEST_VICTIM="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var synced int
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil {
			continue
		}
		if synced = n; n >= 4*perRound {
			break
		}
	}
	_ = c.Process.Kill() // SIGKILL, in the middle of the next round.
	_ = c.Wait()
	if synced < 4*perRound {
		t.Fatal("the victim died before it was killed")
	}
	s := open(t, dir)
	defer func() { _ = s.Close() }()
	var uids []string
	for i := range synced {
		uids = append(uids, fmt.Sprintf("nod_org_a.%d", i))
	}
	have, err := s.Known(t.Context(), 1, uids, start, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if len(have) != synced {
		t.Errorf("%d of %d durable events survived", len(have), synced)
	}
}

func BenchmarkAppend(b *testing.B) {
	s := open(b, b.TempDir())
	defer func() { _ = s.Close() }()
	var rows []eventstore.Row
	for i := range 500 {
		rows = append(rows, eventstore.Row{Tenant: 1, Event: storetest.Event("org_a", uint64(i), time.Now(), fmt.Sprintf("n%d.test", i))})
	}
	for b.Loop() {
		if err := s.Append(b.Context(), rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(500*b.N)/b.Elapsed().Seconds(), "events/s")
}
