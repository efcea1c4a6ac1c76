package pdns_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noroshi/access"
	"noroshi/analyse/pdns"
	"noroshi/event"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

var (
	start = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	orgs  = []org.Organisation{{ID: "org_a", Tenant: 1}, {ID: "org_b", Tenant: 2}, {ID: "org_c", Tenant: 3}}
)

func scope(o ...org.Organisation) access.Scope { return access.Hub(org.NewTree(o), "test") }

func answer(at time.Time, name string, answers ...event.DNSAnswer) *event.Event {
	return &event.Event{ClassUID: event.DNSActivity, Time: at.UnixMilli(), Query: &event.DNSQueryInfo{Hostname: name}, Answers: answers}
}

func a(data string) event.DNSAnswer { return event.DNSAnswer{Type: "A", RData: data} }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func look(t testing.TB, s *pdns.Store, sc access.Scope, q string) string {
	t.Helper()
	list, err := s.Lookup(t.Context(), sc, q, 0)
	must(t, err)
	var out []string
	for _, e := range list {
		out = append(out, fmt.Sprintf("%s %s %s %s %d-%d x%d", e.Org, e.Name, e.Type, e.Data, e.First.Sub(start)/time.Second, e.Last.Sub(start)/time.Second, e.Count))
	}
	return strings.Join(out, "; ")
}

func TestLookup(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		g, s := gather(t, db), pdns.New(db)
		g.Observe(1, "org_a", answer(start, "WWW.Evil.test.", event.DNSAnswer{Type: "CNAME", RData: "CDN.Evil.test."}, a("192.0.2.1")))
		g.Observe(1, "org_a", answer(start.Add(9*time.Second), "www.evil.test", a("192.0.2.1")))
		g.Observe(1, "org_a", answer(start.Add(3*time.Second), "www.evil.test", a("192.0.2.1")))
		g.Observe(1, "org_b", answer(start.Add(time.Second), "evil.test", event.DNSAnswer{Type: "AAAA", RData: "2001:DB8:0::1"}))
		g.Observe(1, "org_b", answer(start.Add(2*time.Second), "notevil.test", a("192.0.2.1")))
		g.Observe(1, "org_b", answer(start, "t.test", event.DNSAnswer{Type: "TXT", RData: "Key=Ab%_"}))
		// None of these is data of a name.
		blocked := answer(start, "evil.test", a("192.0.2.99"))
		blocked.DispositionID = event.DispositionBlocked
		g.Observe(1, "org_a", blocked)
		g.Observe(1, "org_a", &event.Event{ClassUID: event.DNSActivity})
		g.Observe(1, "org_a", &event.Event{ClassUID: event.ProcessActivity, Query: blocked.Query, Answers: blocked.Answers})
		g.Observe(1, "org_a", answer(start, strings.Repeat("x", 300), a("192.0.2.98")))
		g.Observe(1, "org_a", answer(start, "long.test", event.DNSAnswer{Type: "TXT", RData: strings.Repeat("x", 2000)}, event.DNSAnswer{Type: strings.Repeat("T", 99), RData: "x"}))
		must(t, commit(t.Context(), g, 1))
		must(t, commit(t.Context(), g, 1))
		all := scope(orgs...)
		for q, want := range map[string]string{
			"www.evil.test":       "org_a www.evil.test A 192.0.2.1 0-9 x3; org_a www.evil.test CNAME cdn.evil.test 0-0 x1",
			" WWW[.]EVIL[.]TEST.": "org_a www.evil.test A 192.0.2.1 0-9 x3; org_a www.evil.test CNAME cdn.evil.test 0-0 x1",
			"192.0.2.1":           "org_a www.evil.test A 192.0.2.1 0-9 x3; org_b notevil.test A 192.0.2.1 2-2 x1",
			"cdn.evil.test":       "org_a www.evil.test CNAME cdn.evil.test 0-0 x1",
			"2001:db8::0:1":       "org_b evil.test AAAA 2001:db8::1 1-1 x1",
			"*.evil.test":         "org_a www.evil.test A 192.0.2.1 0-9 x3; org_a www.evil.test CNAME cdn.evil.test 0-0 x1",
			"*.test":              "org_a www.evil.test A 192.0.2.1 0-9 x3; org_b notevil.test A 192.0.2.1 2-2 x1; org_b evil.test AAAA 2001:db8::1 1-1 x1; org_a www.evil.test CNAME cdn.evil.test 0-0 x1; org_b t.test TXT Key=Ab%_ 0-0 x1",
			"Key=Ab%_":            "org_b t.test TXT Key=Ab%_ 0-0 x1",
			"%":                   "", "*.%": "", "192.0.2.99": "", "192.0.2.98": "", "long.test": "", "absent.test": "", "x' OR '1'='1": "", "a\x00b": "", "*.": "", "*.\xff": "",
		} {
			if got := look(t, s, all, q); got != want {
				t.Errorf("%q:\n got %s\nwant %s", q, got, want)
			}
		}
		if got := look(t, s, scope(orgs[1]), "192.0.2.1"); got != "org_b notevil.test A 192.0.2.1 2-2 x1" {
			t.Errorf("org_b sees %s", got)
		}
		if got := look(t, s, access.Scope{}, "192.0.2.1"); got != "" {
			t.Errorf("nobody sees %s", got)
		}
		for _, q := range []string{"", "  ", strings.Repeat("x", 5000)} {
			if _, err := s.Lookup(t.Context(), all, q, 1); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: %v", q, err)
			}
		}
		if one, err := s.Lookup(t.Context(), all, "192.0.2.1", 1); err != nil || len(one) != 1 || one[0].Org != "org_a" {
			t.Errorf("the last seen one is %v, %v", one, err)
		}
		n, err := s.Forget(t.Context(), start.Add(2*time.Second))
		must(t, err)
		if got := look(t, s, all, "*.test"); n != 3 || got != "org_a www.evil.test A 192.0.2.1 0-9 x3; org_b notevil.test A 192.0.2.1 2-2 x1" {
			t.Errorf("%d were forgotten; there are %s", n, got)
		}
	})
}

// TestStrangeAnswersHoldUpNothing: what the ledger cannot take must not keep
// everything else from being committed.
func TestStrangeAnswersHoldUpNothing(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		g, s := gather(t, db), pdns.New(db)
		g.Observe(1, "org_a", answer(start, "a\x00b\xff.test", event.DNSAnswer{Type: "T\x00", RData: "x\x00\xffy"}, a(""), event.DNSAnswer{}))
		g.Observe(1, "org_a", answer(start, "b.test", a("192.0.2.1")))
		must(t, commit(t.Context(), g, 1))
		if got := look(t, s, scope(orgs...), "b.test"); got != "org_a b.test A 192.0.2.1 0-0 x1" {
			t.Error(got)
		}
	})
}

// TestCommitCountsOnce: a commit that did happen although its caller heard of an
// error is not counted again, and one that did not happen is.
func TestCommitCountsOnce(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, g, s := t.Context(), gather(t, db), pdns.New(db)
		dead, cancel := context.WithCancel(ctx)
		cancel()
		g.Observe(1, "org_a", answer(start, "a.test", a("192.0.2.1")))
		if err := commit(dead, g, 7); !errors.Is(err, context.Canceled) {
			t.Fatalf("a commit with a dead context: %v", err)
		}
		g.Observe(1, "org_a", answer(start, "a.test", a("192.0.2.1")))
		must(t, commit(ctx, g, 8))
		if got := look(t, s, scope(orgs...), "a.test"); got != "org_a a.test A 192.0.2.1 0-0 x2" {
			t.Errorf("after a failed commit: %s", got)
		}
		// Another process of the same hub kept everything up to 20 already.
		other := gather(t, db)
		other.Observe(1, "org_a", answer(start, "a.test", a("192.0.2.1")))
		must(t, commit(ctx, other, 20))
		g.Observe(1, "org_a", answer(start, "a.test", a("192.0.2.1")))
		must(t, commit(ctx, g, 20))
		if got := look(t, s, scope(orgs...), "a.test"); got != "org_a a.test A 192.0.2.1 0-0 x3" {
			t.Errorf("after a commit twice: %s", got)
		}
		again := gather(t, db)
		again.Observe(20, "org_a", answer(start, "a.test", a("192.0.2.1")))
		must(t, commit(ctx, again, 21))
		if got := look(t, s, scope(orgs...), "a.test"); got != "org_a a.test A 192.0.2.1 0-0 x3" {
			t.Errorf("after a start: %s", got)
		}
	})
}

// TestRedeliveryIsCountedOnce plays a bus that delivers again what was not
// acknowledged, and a hub that dies now and then, against a plain count.
func TestRedeliveryIsCountedOnce(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		round, mark := 0, uint64(0)
		rapid.Check(t, func(r *rapid.T) {
			round++
			first := mark
			type one struct {
				org  ident.ID
				name string
				at   int
			}
			batches := make([][]one, rapid.IntRange(1, 12).Draw(r, "batches"))
			want := map[string]int64{}
			for i := range batches {
				for range rapid.IntRange(0, 4).Draw(r, "events") {
					x := one{orgs[rapid.IntRange(0, 2).Draw(r, "org")].ID, fmt.Sprintf("n%d.r%d.test", rapid.IntRange(0, 2).Draw(r, "name"), round), rapid.IntRange(0, 9).Draw(r, "at")}
					batches[i] = append(batches[i], x)
					want[string(x.org)+" "+x.name]++
				}
			}
			acked := first // The bus goes on from here.
			for mark = first + uint64(len(batches)); acked < mark; {
				g := gather(t, db) // A hub starts.
				observed := g.Mark()
				for seq := acked + 1; seq <= mark; seq++ {
					if seq > observed {
						for _, x := range batches[seq-first-1] {
							g.Observe(seq, x.org, answer(start.Add(time.Duration(x.at)*time.Second), x.name, a("192.0.2.1")))
						}
						observed = seq
					}
					what := rapid.SampledFrom([]string{"go on", "go on", "commit", "commit and ack", "die", "commit and die"}).Draw(r, "then")
					if strings.HasPrefix(what, "commit") || seq == mark {
						must(t, commit(ctx, g, observed))
					}
					if what == "commit and ack" || seq == mark {
						acked = observed
					}
					if strings.HasSuffix(what, "die") {
						break
					}
				}
			}
			list, err := pdns.New(db).Lookup(ctx, scope(orgs...), fmt.Sprintf("*.r%d.test", round), 0)
			must(t, err)
			got := map[string]int64{}
			for _, e := range list {
				got[string(e.Org)+" "+e.Name] = e.Count
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				r.Errorf("%v were counted, %v were sent", got, want)
			}
		})
	})
}

func TestMemoryIsBounded(t *testing.T) {
	db := ledgertest.SQLite(t)
	g := gather(t, db)
	for i := range pdns.Enough {
		if g.Full() {
			t.Fatalf("it is full after %d pairs", i)
		}
		g.Observe(1, "org_a", answer(start, fmt.Sprintf("n%d.test", i), a("192.0.2.1")))
	}
	if !g.Full() || g.Dropped() != 0 {
		t.Fatal("it is not full")
	}
	for i := range 5 * pdns.Enough {
		g.Observe(1, "org_a", answer(start, fmt.Sprintf("n%d.test", i), a("192.0.2.1")))
	}
	if g.Dropped() != pdns.Enough {
		t.Errorf("%d answers were left out", g.Dropped())
	}
}

func BenchmarkCommit(b *testing.B) {
	for name, db := range map[string]*ledger.DB{"sqlite": ledgertest.SQLite(b), "postgres": ledgertest.Postgres(b)} {
		b.Run(name, func(b *testing.B) {
			g := gather(b, db)
			seq := uint64(0)
			for b.Loop() {
				for i := range 5000 {
					g.Observe(seq+1, "org_a", answer(start, fmt.Sprintf("n%d.example.test", (int(seq)*2500+i)%200_000), a("192.0.2.1")))
				}
				seq++
				if err := commit(b.Context(), g, seq); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(5000*b.N)/b.Elapsed().Seconds(), "pairs/s")
		})
	}
}

func gather(t testing.TB, db *ledger.DB) *pdns.Gatherer {
	t.Helper()
	g, err := pdns.Gather(t.Context(), db, "test")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func commit(ctx context.Context, g *pdns.Gatherer, mark uint64) error {
	g.Cut(mark)
	return g.Commit(ctx)
}
