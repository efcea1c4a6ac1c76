package victorialogs

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"pgregory.net/rapid"

	"noroshi/event"
	"noroshi/eventstore/storetest"
	"noroshi/observable"
)

// TestIndexMissesNothing draws things to look for, and things that show them:
// they must have a word in common.
func TestIndexMissesNothing(t *testing.T) {
	label := rapid.StringMatching(`[a-z0-9_]([a-z0-9-]{0,12}[a-z0-9])?`)
	rapid.Check(t, func(t *rapid.T) {
		var wanted observable.Observable
		e := &event.Event{Query: &event.DNSQueryInfo{}}
		if rapid.Bool().Draw(t, "name") {
			name := strings.Join(rapid.SliceOfN(label, 2, 12).Draw(t, "labels"), ".")
			wanted = observable.Observable{Kind: observable.Domain, Value: name}
			e.Query.Hostname = strings.Join(append(rapid.SliceOfN(label, 0, 12).Draw(t, "below"), name), ".")
		} else {
			b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address")
			if rapid.Bool().Draw(t, "v4") {
				b = b[:4]
			}
			a, _ := netip.AddrFromSlice(b)
			p, err := a.Prefix(rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
			if err != nil {
				t.Fatal(err)
			}
			wanted = observable.Observable{Kind: observable.CIDR, Value: p.String()}
			e.Answers = []event.DNSAnswer{{RData: a.String()}}
		}
		words := strings.Fields(string(appendWords(nil, e.Observables())))
		asked := wordsFor(wanted)
		if asked != nil && !slices.ContainsFunc(asked, func(w string) bool { return slices.Contains(words, w) }) {
			t.Fatalf("%s, looked for as %q, is shown by %q", wanted.Value, asked, words)
		}
		for _, w := range append(words, asked...) {
			if len(w) > maxWord || strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
				t.Fatalf("%q is more than a word", w)
			}
		}
	})
}

// TestIndexIsBounded has names and answers of any length make few words.
func TestIndexIsBounded(t *testing.T) {
	long := strings.Repeat("a.", 1_000_000) + "evil.test"
	if b := appendWords(nil, []event.Observable{{Observable: observable.Observable{Kind: observable.Domain, Value: long}}}); len(b) > 200 {
		t.Errorf("a name of a million labels takes %d bytes of the index", len(b))
	}
	wide := strings.Repeat(strings.Repeat("a", 63)+".", 1000) + "test"
	if b := appendWords(nil, []event.Observable{{Observable: observable.Observable{Kind: observable.Domain, Value: wide}}}); len(b) > maxLabels*(maxWord+1) {
		t.Errorf("a name of long labels takes %d bytes of the index", len(b))
	}
}

// TestRowsFromBeforeTheIndexAreFound stores events as they were stored before
// there was an index, and some with it, and looks for what both show.
func TestRowsFromBeforeTheIndexAreFound(t *testing.T) {
	s, err := Open(Config{Dir: t.TempDir(), MemoryMiB: 256, Retention: 24 * time.Hour}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	events := storetest.Showing(time.Now())
	lr := logstorage.GetLogRows([]string{"class", "node"}, nil, nil, nil, "")
	for _, e := range events {
		fields := slices.DeleteFunc(fieldsOf(nil, e), func(f logstorage.Field) bool { return f.Name == indexField })
		lr.MustAdd(logstorage.TenantID{AccountID: 1}, e.Time*int64(time.Millisecond), fields, -1)
	}
	s.storage.MustAddRows(lr)
	logstorage.PutLogRows(lr)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	storetest.FindsShown(t, s, events)
	if old, err := s.anyUnindexed(t.Context(), ask{now: time.Now(), ids: tenants(2), from: time.Now().Add(-time.Hour), to: time.Now()}); err != nil || old {
		t.Errorf("another tenant has such rows: %v, %v", old, err)
	}
}

func BenchmarkIndex(b *testing.B) {
	e := &event.Event{Query: &event.DNSQueryInfo{Hostname: "www.site-17.example.com"}, SrcEndpoint: &event.Endpoint{IP: "10.1.2.3"}, DstEndpoint: &event.Endpoint{IP: "10.0.0.53"}}
	for i := range 3 {
		e.Answers = append(e.Answers, event.DNSAnswer{RData: fmt.Sprintf("198.51.100.%d", i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		appendWords(nil, e.Observables())
	}
}
