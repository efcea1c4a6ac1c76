package oplog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

func lines(t *testing.T, b *bytes.Buffer) (out []map[string]any) {
	t.Helper()
	for _, l := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		if l == "" {
			continue
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(l), &m); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		out = append(out, m)
	}
	return out
}

func newLog(t *testing.T) (*slog.Logger, *bytes.Buffer) {
	t.Helper()
	b := &bytes.Buffer{}
	log, err := New(b, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	return log, b
}

func TestHandlerDoesWhatSlogAsks(t *testing.T) {
	log, b := newLog(t)
	if err := slogtest.TestHandler(log.Handler(), func() []map[string]any { return lines(t, b) }); err != nil {
		t.Error(err)
	}
}

func TestLinesNameWhoTheyAreAboutAndTheirOwnWordWins(t *testing.T) {
	log, b := newLog(t)
	log = log.With(Role, "hub")
	log.With(Role, "resolver", Org, "org_a", Node, "nod_a").Warn("one")
	log.Warn("two", Role, "api")
	got := lines(t, b)
	if got[0][Role] != "resolver" || got[0][Org] != "org_a" || got[0][Node] != "nod_a" || got[1][Role] != "api" {
		t.Errorf("the log says %v", got)
	}
	if n := strings.Count(b.String(), `"role"`); n != 2 {
		t.Errorf("the role is said %d times in two lines", n)
	}
}

func TestRepetitionsAreHeldBackForEachOrganisationApart(t *testing.T) {
	log, b := newLog(t)
	flood := func(org string) { log.Warn("garbage", Org, org) }
	for range 1000 {
		flood("org_hostile")
	}
	flood("org_quiet")
	got := lines(t, b)
	if len(got) != burst+1 || got[burst][Org] != "org_quiet" {
		t.Errorf("%d lines were written, the last of %v", len(got), got[len(got)-1][Org])
	}
	if n := Suppressed(log); n != 1000-burst {
		t.Errorf("%d lines were held back", n)
	}
}

func TestHeldBackLinesAreCountedInTheNext(t *testing.T) {
	l, now := newLimit(), time.Unix(0, 0)
	k := key{1, "org_a"}
	for range burst + 5 {
		l.take(k, now)
	}
	if pass, held := l.take(k, now.Add(every)); !pass || held != 5 {
		t.Errorf("after a while: %v, %d", pass, held)
	}
}

func TestMemoryOfTheLimitIsBounded(t *testing.T) {
	l, now := newLimit(), time.Unix(0, 0)
	passed := 0
	for i := range 20_000 {
		if pass, _ := l.take(key{1, fmt.Sprint("org_", i)}, now); pass {
			passed++
		}
	}
	if len(l.all) > maxKeys+1 || passed > maxKeys+burst {
		t.Errorf("%d keys are remembered, %d lines passed", len(l.all), passed)
	}
	l.take(key{2, "org_new"}, now.Add(2*burst*every))
	if len(l.all) > 3 {
		t.Errorf("%d silent keys are remembered", len(l.all))
	}
}

func TestLongValuesAreCutOff(t *testing.T) {
	log, b := newLog(t)
	log.Warn("x", "err", errors.New(strings.Repeat("長", 1<<20)), "why", strings.Repeat("a", 1<<20))
	if b.Len() > 5*maxValue {
		t.Errorf("the line has %d bytes", b.Len())
	}
	lines(t, b)
}
