package victorialogs_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/victorialogs"
	"noroshi/org"
)

var tenantOne = org.Organisation{ID: "org_a", Tenant: 1}

// TestMain lets the test binary be its own victim: with a folder in the
// environment it writes until it kills itself.
func TestMain(m *testing.M) {
	if dir := os.Getenv("NOROSHI_TEST_VICTIM"); dir != "" {
		rounds, _ := strconv.Atoi(os.Getenv("NOROSHI_TEST_ROUNDS"))
		victim(dir, rounds)
	}
	os.Exit(m.Run())
}

const (
	writers  = 4
	reserved = 1_000_000 // sequences of each writer
	small    = 20        // rows of a batch: many parts in memory, many merges of them
)

// victim appends from several writers and flushes often, so that the engine is
// always merging something in memory. After the last Sync it says how far each
// writer had come before that Sync, and dies at once, by SIGKILL.
func victim(dir string, rounds int) {
	s, err := victorialogs.Open(victorialogs.Config{Dir: dir, Retention: month}, slog.New(slog.DiscardHandler))
	check(err)
	ctx := context.Background()
	var done [writers]atomic.Uint64
	appended := make(chan struct{}) // by the first writer
	for w := range writers {
		go func() {
			for seq := uint64(0); ; seq += small {
				check(s.Append(ctx, batch(small, uint64(w)*reserved+seq, time.Now())))
				done[w].Store(seq + small)
				check(s.Flush(ctx))
				if w == 0 {
					appended <- struct{}{}
				}
			}
		}()
	}
	var before [writers]uint64
	for range rounds {
		for range 10 {
			<-appended
		}
		for w := range done {
			before[w] = done[w].Load()
		}
		check(s.Sync(ctx))
	}
	for w := range before {
		fmt.Println(before[w])
	}
	check(syscall.Kill(os.Getpid(), syscall.SIGKILL))
	select {}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// TestWhatWasSyncedSurvivesKill kills several victims, each after another number
// of rounds, and finds everything that was appended before their last Sync.
// Known tells exactly which of the rest is there.
func TestWhatWasSyncedSurvivesKill(t *testing.T) {
	var all sync.WaitGroup
	for rounds := 1; rounds <= 6; rounds++ {
		all.Go(func() { t.Run(fmt.Sprint(rounds), func(t *testing.T) { surviveKill(t, rounds) }) })
	}
	all.Wait()
}

func surviveKill(t *testing.T, rounds int) {
	dir, start := t.TempDir(), time.Now().Add(-time.Second)
	c := exec.Command(os.Args[0], "-test.run=none")
	c.Env = append(os.Environ(), "NOROSHI_TEST_VICTIM="+dir, fmt.Sprintf("NOROSHI_TEST_ROUNDS=%d", rounds))
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var synced []uint64
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.ParseUint(strings.TrimSpace(lines.Text()), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		synced = append(synced, n)
	}
	if err := c.Wait(); len(synced) != writers || !strings.Contains(fmt.Sprint(err), "killed") {
		t.Fatalf("the victim ended with %v and said %v", err, synced)
	}
	s := open(t, dir)
	defer func() { _ = s.Close() }()
	stored, lost := 0, 0
	for w, n := range synced {
		var uids []string
		for i := range n + 500*small { // And some that came after the Sync, or never.
			uids = append(uids, fmt.Sprintf("nod_org_a.%d", uint64(w)*reserved+i))
		}
		have, err := s.Known(t.Context(), 1, uids, start, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for i, u := range uids {
			if uint64(i) < n && !have[u] {
				lost++
			}
		}
		stored += len(have)
	}
	if lost > 0 {
		t.Errorf("%d events that a Sync had made durable are lost", lost)
	}
	// What Known says is there can be found, and no more.
	rows, err := s.Search(t.Context(), storetest.Scope(tenantOne), eventstore.Query{LogsQL: `* | stats count() n, count_uniq("metadata.uid") u`})
	if err != nil {
		t.Fatal(err)
	}
	if n := rows[0].Fields["n"]; n != rows[0].Fields["u"] || n != fmt.Sprint(stored) {
		t.Errorf("the store has %v, Known knows %d", rows[0].Fields, stored)
	}
}
