package share_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/share/push"
	"noroshi/share/set"
)

// row is an entry of a feed as the ledger has it.
type row struct {
	seq        int64
	op         indicator.Op
	id         ident.ID
	body, sums string
}

func (r *rig) entries(feed string) (out []row) {
	r.t.Helper()
	err := r.db.Read(r.t.Context(), func(q ledger.Queryer) error {
		rows, err := q.Query(r.t.Context(), `SELECT seq, op, indicator, body, digest FROM feed_entry WHERE feed = ? ORDER BY seq`, feed)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var x row
			err := scan(&x.seq, &x.op, &x.id, &x.body, &x.sums)
			out = append(out, x)
			return err
		})
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// TestFreshDecisionDoesNotWaitForAnImport decides one thing behind an import of
// many: it is among the first that are pushed, and so is what lifts one of them.
func TestFreshDecisionDoesNotWaitForAnImport(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, 0)
		before := ind(5000, label.TLPGreen, "org_a")
		r.changeAs("person:b", indicator.Put, before)
		until(t, "it is pushed", r.pushed)
		r.stop()
		var list []indicator.Indicator
		for n := range 600 {
			list = append(list, ind(n, label.TLPGreen, "org_a"))
		}
		r.changeAs("person:a", indicator.Put, list...)
		fresh := ind(6000, label.TLPGreen, "org_a")
		r.changeAs("person:b", indicator.Put, fresh)
		r.changeAs("person:a", indicator.Remove, before)    // The importer lifts what is pushed,
		r.changeAs("person:a", indicator.Remove, list[500]) // and takes one back that is not.
		hub := access.Hub(tree, "t")
		for _, id := range []ident.ID{fresh.ID, before.ID} {
			w, edges, err := r.push.Deliveries(t.Context(), hub, id)
			if err != nil || w.Edges != 2 || w.Confirmed != 0 || len(edges) != 2 || edges[0].State != push.Waiting {
				t.Errorf("%s waits to be pushed, and is %+v, %+v, %v", id, w, edges, err)
			}
		}
		states, err := r.push.EdgeStates(t.Context(), hub)
		if err != nil || states[0].State != push.Waiting {
			t.Errorf("with much that waits an edge is %+v, %v", states, err)
		}
		r.run(r.push.Run)
		until(t, "it is pushed", r.pushed)
		all := r.entries("real.all")
		at := map[ident.ID]int64{}
		for _, x := range all {
			at[x.id] = x.seq
		}
		if at[fresh.ID] > 4 || at[before.ID] > 4 || at[list[599].ID] != 602 || at[list[500].ID] != 0 {
			t.Errorf("of %d entries the fresh one is number %d, the lifting %d, the last of the import %d, what was taken back %d",
				len(all), at[fresh.ID], at[before.ID], at[list[599].ID], at[list[500].ID])
		}
	})
}

// TestTheRestOfAnImportWaitsForAnswers goes on when most edges have taken what was
// sent before, so that edges which are slow have no queue before a fresh block; and
// after a while without them. The clock is the test's.
func TestTheRestOfAnImportWaitsForAnswers(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t), 0)
	r.stop()
	var past atomic.Int64
	began := time.Now()
	now := func() time.Time { return began.Add(time.Duration(past.Load())) }
	r.push = r.hub(now, push.Edge{Node: "nod_a", Org: "org_a", Joined: began, Here: true}, push.Edge{Node: "nod_b", Org: "org_b", Joined: began, Here: true})
	beat := make(chan struct{}, 100)
	hear := func(b []byte) {
		if f, err := set.Open(b, "real.all", r.key); err == nil && len(f.Changes) == 0 {
			beat <- struct{}{}
		}
	}
	if _, err := (&line{air: r.air}).Subscribe("real.all", hear); err != nil {
		t.Fatal(err)
	}
	r.run(r.push.Run, r.push.Acknowledge)
	r.change(indicator.Put, ind(5000, label.TLPGreen, "org_a"))
	until(t, "it is pushed", r.pushed)
	past.Add(int64(20 * time.Second))
	<-beat // By now it has counted the edges.
	var list []indicator.Indicator
	for n := range 500 {
		list = append(list, ind(n, label.TLPGreen, "org_a"))
	}
	r.change(indicator.Put, list...)
	sent := func(feed string) int { return r.count("feed_entry WHERE durable > 0 AND feed = '" + feed + "'") }
	until(t, "the first part is pushed", func() bool { return sent("real.all") == 201 })
	for n, node := range []ident.ID{"nod_a", "nod_b"} {
		past.Add(int64(100 * time.Millisecond))
		other := ind(6000+n, label.TLPGreen, "org_a")
		other.Realm = label.Exercise
		r.change(indicator.Put, other) // When this is pushed, the other feed was looked at.
		until(t, "another feed goes on", func() bool { return sent("exercise.all") == n+1 })
		if n := sent("real.all"); n != 201 {
			t.Fatalf("%d were pushed before most edges had answered", n)
		}
		say(t, r.push, node, 201, r.entries("real.all")[200].sums, now())
		until(t, "the answer is written", func() bool { return r.count("edge_ack") == n+1 })
	}
	until(t, "with the answers the next part is pushed", func() bool { return sent("real.all") == 401 })
	past.Add(int64(time.Second))
	until(t, "without answers the rest is pushed later", func() bool { return sent("real.all") == 501 })
}

// TestTurnsKeepTheOrderOfEachIndicator lets several decide about the same things
// at random while they are pushed. A feed may leave out what was decided and is
// not so any more; it never shows two states of one thing in the other order, and
// the digest after each entry is that of whoever followed.
func TestTurnsKeepTheOrderOfEachIndicator(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, 0)
		rnd := rand.New(rand.NewPCG(5, 6))
		decided := map[ident.ID][]string{} // what each was to be, one after the other
		for n := range 50 {
			op, list := indicator.Put, []indicator.Indicator{}
			if rnd.IntN(3) == 0 {
				op = indicator.Remove
			}
			for _, k := range rnd.Perm(120)[:1+rnd.IntN(1+rnd.IntN(110))] {
				i, body := ind(k, label.TLPGreen, "org_a"), ""
				i.Reason = fmt.Sprint("decision ", n)
				if op == indicator.Put {
					body = string(set.Member(i.Wire()))
				}
				list = append(list, i)
				decided[i.ID] = append(decided[i.ID], body)
			}
			r.changeAs(fmt.Sprint("person:", rnd.IntN(3)), op, list...)
			if n%10 == 9 {
				until(t, "it is pushed", r.pushed)
			}
		}
		until(t, "it is pushed", r.pushed)
		digest, shown, pushed := new(set.Digest), map[ident.ID]string{}, 0
		for i, x := range r.entries("real.all") {
			if x.seq != int64(i+1) || (x.op == indicator.Remove) != (x.body == "") || x.body == shown[x.id] {
				t.Fatalf("entry %d is %+v", i+1, x)
			}
			for len(decided[x.id]) > 0 && decided[x.id][0] != x.body {
				decided[x.id] = decided[x.id][1:]
			}
			if len(decided[x.id]) == 0 {
				t.Fatalf("%s becomes %q after something that was decided later", x.id, x.body)
			}
			if shown[x.id] != "" {
				digest.Sub([]byte(shown[x.id]))
			}
			if shown[x.id] = x.body; x.body != "" {
				digest.Add([]byte(x.body))
			}
			if digest.Sum() != x.sums {
				t.Fatalf("after entry %d the digest is not that of the set", x.seq)
			}
			pushed++
		}
		for id, left := range decided {
			if last := left[len(left)-1]; last != shown[id] {
				t.Errorf("%s was to be %q in the end, and is %q", id, last, shown[id])
			}
		}
		f, _ := r.edge(t.TempDir(), "org_a", "nod_a")
		until(t, "an edge has the set", func() bool {
			s, err := r.push.EdgeStates(context.Background(), access.Hub(tree, "t"))
			return err == nil && s[0].State == push.Confirmed && f.Set().Ready()
		})
		if pushed < 200 {
			t.Errorf("only %d changes were pushed", pushed)
		}
	})
}
