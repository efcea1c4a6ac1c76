package analyse_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noroshi/access"
	"noroshi/analyse"
	"noroshi/event"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/observable"
	"noroshi/org"
)

// TestCountsDoNotDependOnTheDelivery delivers the events of some nodes in any
// split, interleaved in any way, and again from any earlier point: the findings
// are those of a plain count.
func TestCountsDoNotDependOnTheDelivery(t *testing.T) {
	const bound = 2
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, analyse.Config{KeysPerHour: bound}, dnsRule)
		run := 0
		rapid.Check(t, func(t *rapid.T) {
			run++
			orgs := []ident.ID{ident.ID(fmt.Sprintf("org_%da", run)), ident.ID(fmt.Sprintf("org_%db", run))}
			sent, want := map[ident.ID][]*event.Event{}, map[string]int64{}
			for _, o := range orgs {
				sent[o] = stream(t, o)
				maps.Copy(want, plainCount(sent[o], bound))
			}
			deliver(t, r, sent)
			p, err := r.List(t.Context(), only(orgs...), analyse.Filter{Limit: 500})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int64{}
			for _, f := range p.Items {
				k := "more"
				if !strings.HasSuffix(f.Key, "and more") {
					k = f.Key[strings.LastIndexByte(f.Key, ' ')+1:]
				}
				got[string(f.Org)+" "+k] = f.Count
			}
			if !maps.Equal(got, want) {
				t.Fatalf("the findings count %v, not %v", got, want)
			}
		})
	})
}

// stream draws what a node sees over three hours: good names and some bad ones.
func stream(t *rapid.T, o ident.ID) []*event.Event {
	var out []*event.Event
	seq, at := uint64(0), now
	for range rapid.IntRange(0, 25).Draw(t, "events") {
		seq += rapid.Uint64Range(1, 3).Draw(t, "gap")
		at = at.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes")) * time.Minute)
		e := query(o, seq, rapid.SampledFrom([]string{"good.com", "bad1.com", "bad2.com", "www.bad2.com", "bad3.com", "bad4.com"}).Draw(t, "name"))
		e.Time = at.UnixMilli()
		out = append(out, e)
	}
	return out
}

// plainCount is what the findings should count: each bad domain, and in one
// more what came after the rule had opened all it may in the hour.
func plainCount(events []*event.Event, bound int) map[string]int64 {
	out, opened := map[string]int64{}, map[int64]int{}
	for _, e := range events {
		name := strings.TrimPrefix(e.Query.Hostname, "www.")
		if !strings.HasPrefix(name, "bad") {
			continue
		}
		k, hour := string(e.Metadata.Tenant)+" "+name, e.Time/time.Hour.Milliseconds()
		if _, ok := out[k]; !ok {
			if opened[hour] == bound {
				k = string(e.Metadata.Tenant) + " more"
			} else {
				opened[hour]++
			}
		}
		out[k]++
	}
	return out
}

// deliver judges each node's events in order, in batches of any size and with
// any number of steps back.
func deliver(t *rapid.T, r *rig, sent map[ident.ID][]*event.Event) {
	at := map[ident.ID]int{}
	for back := 0; ; {
		var open []ident.ID
		for o, list := range sent {
			if at[o] < len(list) {
				open = append(open, o)
			}
		}
		if len(open) == 0 {
			return
		}
		slices.Sort(open)
		o := rapid.SampledFrom(open).Draw(t, "node")
		n := rapid.IntRange(1, len(sent[o])-at[o]).Draw(t, "batch")
		if _, err := r.Judge(t.Context(), sent[o][at[o]:at[o]+n]); err != nil {
			t.Fatal(err)
		}
		at[o] += n
		if back < 6 && rapid.Bool().Draw(t, "again") {
			back++
			at[o] = rapid.IntRange(0, at[o]).Draw(t, "from")
		}
	}
}

// TestLookBackAndLiveCountEachEventOnce lets an indicator come while events
// flow, and the look back run at any later moment and more than once.
func TestLookBackAndLiveCountEachEventOnce(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, analyse.Config{})
		run := 0
		rapid.Check(t, func(t *rapid.T) {
			run++
			id := ident.ID(fmt.Sprintf("ind_%d", run))
			ind := active(id, orgA, label.TLPAmber, observable.Observable{Kind: observable.Domain, Value: fmt.Sprintf("evil%d.com", run)})
			total := rapid.IntRange(1, 12).Draw(t, "events")
			comes := rapid.IntRange(0, total).Draw(t, "indicator comes")
			hunts := rapid.SliceOfN(rapid.IntRange(comes, total), 1, 3).Draw(t, "hunts")
			slices.Sort(hunts)
			var stored []*event.Event
			for i := 0; i <= total; i++ {
				if i == comes {
					r.match.Put(ind)
				}
				var next []*event.Event
				if i < total {
					// A batch is stored before it is judged.
					next = []*event.Event{query(orgA, uint64(i+1), "a."+ind.Observable.Value)}
					stored = append(stored, next...)
				}
				judgeFirst := rapid.Bool().Draw(t, "judged before the hunt")
				if judgeFirst {
					mustJudge(t, r, next)
				}
				for _, h := range hunts {
					if h == i {
						hunt(t, r, ind, stored)
					}
				}
				if !judgeFirst {
					mustJudge(t, r, next)
				}
			}
			p, err := r.List(t.Context(), r.hub(), analyse.Filter{Indicator: id})
			if err != nil || len(p.Items) != 1 || p.Items[0].Count != int64(total) {
				t.Fatalf("%d events make %+v, %v", total, p.Items, err)
			}
			f := p.Items[0]
			if !f.FirstSeen.Equal(now.Add(time.Second)) || !f.LastSeen.Equal(now.Add(time.Duration(total)*time.Second)) || len(f.Evidence) != min(total, finding.MaxEvidence) {
				t.Fatalf("from %s to %s with %d pieces of evidence", f.FirstSeen, f.LastSeen, len(f.Evidence))
			}
		})
	})
}

func mustJudge(t *rapid.T, r *rig, events []*event.Event) {
	if _, err := r.Judge(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

// hunt records what a look back in stored would find.
func hunt(t *rapid.T, r *rig, ind indicator.Indicator, stored []*event.Event) {
	if len(stored) == 0 {
		return
	}
	x := analyse.Sighting{Org: orgA, Node: stored[0].Metadata.Reporter.UID, First: time.UnixMilli(stored[0].Time), Last: time.UnixMilli(stored[len(stored)-1].Time)}
	for _, e := range stored {
		x.Seqs = append(x.Seqs, e.Metadata.Sequence)
		if len(x.Evidence) < finding.MaxEvidence {
			x.Evidence = append(x.Evidence, finding.Evidence{EventUID: e.Metadata.UID, Time: time.UnixMilli(e.Time).UTC()})
		}
	}
	if _, err := r.past(t, ind, []analyse.Sighting{x}); err != nil {
		t.Fatal(err)
	}
}

// TestNobodySeesWhatIsNotTheirs asks for findings in every way with any scope
// and compares with a plain filter over all of them.
func TestNobodySeesWhatIsNotTheirs(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, analyse.Config{}, dnsRule, strings.NewReplacer("level: high", "level: low", "dns-rule", "low-rule").Replace(dnsRule))
		orgs := []ident.ID{"org_a", "org_b", "org_c", "org_d"}
		var list []org.Organisation
		for i, o := range orgs {
			list = append(list, org.Organisation{ID: o})
			for n := range 6 {
				r.judge(t, query(o, uint64(10*n+i), fmt.Sprintf("bad%d_x.com", n%4)))
			}
		}
		r.tree = org.NewTree(list)
		all := r.all(t, analyse.Filter{Limit: 500})
		if len(all) < 16 {
			t.Fatalf("only %d findings to look for", len(all))
		}
		rapid.Check(t, func(t *rapid.T) {
			mine := rapid.SliceOfDistinct(rapid.SampledFrom(orgs), rapid.ID[ident.ID]).Draw(t, "scope")
			s := only(mine...)
			f := analyse.Filter{Limit: rapid.IntRange(1, 7).Draw(t, "limit"),
				Org:   rapid.SampledFrom([]ident.ID{"", "", "org_a", "org_b"}).Draw(t, "org"),
				Level: rapid.SampledFrom([]finding.Level{"", finding.High}).Draw(t, "level"),
				Text:  rapid.SampledFrom([]string{"", "BAD1_x", "bad2", "%", "_", "host-of-org_c", "悪い"}).Draw(t, "text")}
			var want []ident.ID
			for _, x := range all {
				text := strings.ToLower(x.Rule.Title + "\n" + x.Rule.TitleJA + "\n" + x.Rule.ID + "\n" + x.Title + "\n" + x.Device + "\n" + x.Observables[0].Value)
				if slices.Contains(mine, x.Org) && (f.Org == "" || f.Org == x.Org) && x.Rule.Level.Rank() >= f.Level.Rank() && strings.Contains(text, strings.ToLower(f.Text)) {
					want = append(want, x.ID)
				}
				_, err := r.Get(t.Context(), s, x.ID)
				if slices.Contains(mine, x.Org) != (err == nil) {
					t.Fatalf("get of one of %s by %v: %v", x.Org, mine, err)
				}
			}
			if got := pages(t, r, s, f); !slices.Equal(got, want) {
				t.Fatalf("%+v by %v gives %v, not %v", f, mine, got, want)
			}
			counts, err := r.Counts(t.Context(), s, label.Real)
			n := 0
			for _, x := range all {
				if slices.Contains(mine, x.Org) {
					n++
				}
			}
			if err != nil || counts[finding.New] != int64(n) {
				t.Fatalf("%v counts %v, not %d: %v", mine, counts, n, err)
			}
		})
	})
}

// pages reads a list to its end.
func pages(t *rapid.T, r *rig, s access.Scope, f analyse.Filter) []ident.ID {
	var out []ident.ID
	for range 100 {
		p, err := r.List(t.Context(), s, f)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.IsSortedFunc(p.Items, func(a, b finding.Finding) int {
			return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(b.ID, a.ID))
		}) {
			t.Fatal("the page is not in order")
		}
		for _, x := range p.Items {
			out = append(out, x.ID)
		}
		if f.Cursor = p.Next; f.Cursor == "" {
			return out
		}
	}
	t.Fatal("the list does not end")
	return nil
}
