package share_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
	"noroshi/share/push"
	"noroshi/share/set"
)

// TestHubsShareTheWork lets one hub push while the edges speak to another.
func TestHubsShareTheWork(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, 0)
		pushing, green := r.push, ind(1, label.TLPGreen, "org_a")
		r.push = r.hub(time.Now)
		r.run(r.push.Acknowledge)
		a, _ := r.edge(t.TempDir(), "org_a", "nod_a")
		b, _ := r.edge(t.TempDir(), "org_b", "nod_b")
		until(t, "both are ready", func() bool { return a.Set().Ready() && b.Set().Ready() })
		r.change(indicator.Put, green) // Nobody tells the other hub.
		until(t, "both block", func() bool { return blocks(a, "n1.example.com") && blocks(b, "n1.example.com") })
		until(t, "the pushing hub knows", func() bool {
			all, err := pushing.Ways(t.Context(), access.Hub(tree, "t"), []ident.ID{green.ID})
			return err == nil && all[green.ID].Confirmed == 2 && !all[green.ID].Enforced.IsZero()
		})
		// The hub that pushed is gone; another one takes over what was decided
		// meanwhile, and pushes it rather than to wait until edges ask.
		r.stop()
		r.change(indicator.Remove, green)
		r.air.mu.Lock()
		r.air.deaf = true
		r.air.mu.Unlock()
		r.run(r.push.Run)
		until(t, "it is lifted", func() bool { return !blocks(a, "n1.example.com") && !blocks(b, "n1.example.com") })
	})
}

// say acknowledges as an edge does.
func say(t *testing.T, p *push.Push, node ident.ID, seq uint64, digest string, at time.Time) {
	t.Helper()
	b, err := json.Marshal(set.Ack{Feed: "real.all", Seq: seq, Digest: digest, Received: at, Enforced: at})
	if err == nil {
		err = p.HandleAck("org_a", node, b)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) head(feed string) (seq uint64, digest string) {
	r.t.Helper()
	err := r.db.Read(r.t.Context(), func(q ledger.Queryer) error {
		var n int64
		err := q.QueryRow(r.t.Context(), `SELECT seq, digest FROM feed WHERE name = ?`, feed).Scan(&n, &digest)
		seq = uint64(n)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return seq, digest
}

func (r *rig) count(what string) (n int) {
	r.t.Helper()
	err := r.db.Read(r.t.Context(), func(q ledger.Queryer) error {
		return q.QueryRow(r.t.Context(), `SELECT COUNT(*) FROM `+what).Scan(&n)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// pushed tells that nothing is left to be pushed.
func (r *rig) pushed() bool {
	b, err := r.push.Behind(r.t.Context())
	return err == nil && b.Unpushed == 0
}

// TestManyEdgesAnswerAtOnce acknowledges for more edges than one statement takes,
// with some that say what is not so, and some that say it twice.
func TestManyEdgesAnswerAtOnce(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, 0)
		now := time.Now()
		var edges []push.Edge
		for n := range 1200 {
			edges = append(edges, push.Edge{Node: ident.ID(fmt.Sprintf("nod_%04d", n)), Org: "org_a", Name: fmt.Sprint(n), Joined: now.Add(-time.Hour), Here: n != 7})
		}
		p := r.hub(time.Now, edges...)
		empty := new(set.Digest).Sum()
		for _, e := range edges[8:] {
			say(t, p, e.Node, 0, empty, now)
		}
		r.change(indicator.Put, ind(1, label.TLPGreen, "org_a"), ind(2, label.TLPGreen, "org_a"))
		until(t, "it is pushed", r.pushed)
		seq, digest := r.head("real.all")
		later := now.Add(time.Second)
		for i, e := range edges[8:] {
			d := digest
			if i == 0 {
				d = empty
			}
			say(t, p, e.Node, seq, d, later)
			say(t, p, e.Node, seq, d, later)
		}
		said := make(chan int, 10)
		p.OnAck = func(nodes []ident.ID) { said <- len(nodes) }
		r.run(p.Acknowledge)
		if n := <-said; n != 1192 {
			t.Errorf("%d edges said something new", n)
		}
		w, list, err := p.Deliveries(t.Context(), access.Hub(tree, "t"), "ind_0001")
		states := map[string]int{}
		for _, d := range list {
			states[d.State]++
			if d.State == push.Confirmed && !d.Enforced.Equal(later.UTC().Truncate(time.Microsecond)) {
				t.Fatalf("the delivery to %s says %s", d.Node, d.Enforced)
			}
		}
		if err != nil || w.Edges != 1200 || w.Confirmed != 1191 || states[push.Diverged] != 1 || states[push.Away] != 1 || states[push.Waiting] != 7 {
			t.Errorf("%+v, %v, %v", w, states, err)
		}
		if !w.Enforced.Equal(later.UTC().Truncate(time.Microsecond)) {
			t.Errorf("the slowest enforced it at %s", w.Enforced)
		}
		// Who may not see the organisation learns nothing of its edges.
		only := access.Hub(org.NewTree([]org.Organisation{{ID: "org_b"}}), "t")
		all, err := p.Ways(t.Context(), only, []ident.ID{"ind_0001"})
		if x := all["ind_0001"]; err != nil || x.Edges != 0 || !x.Received.IsZero() || !x.Enforced.IsZero() || !x.Acknowledged.IsZero() {
			t.Errorf("another organisation is told %+v, %v", x, err)
		}
		// What was said before costs no write and is no news.
		before := r.count("edge_ack_span")
		for _, e := range edges[9:] {
			say(t, p, e.Node, seq, digest, later.Add(time.Second))
		}
		say(t, p, edges[8].Node, seq, digest, later.Add(time.Second))
		if n := <-said; n != 1 || r.count("edge_ack_span") != before {
			t.Errorf("%d edges said something new, and there are %d spans more", n, r.count("edge_ack_span")-before)
		}
	})
}

// TestEdgeThatWasAwayIsToldApart finds the times of an edge that came back over
// many changes, and does not take them for the push's.
func TestEdgeThatWasAwayIsToldApart(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, 0)
		now := time.Now()
		var list []indicator.Indicator
		for n := range 900 {
			list = append(list, ind(n, label.TLPGreen, "org_a"))
		}
		empty := new(set.Digest).Sum()
		say(t, r.push, "nod_a", 0, empty, now)
		r.change(indicator.Put, list...)
		until(t, "it is pushed", r.pushed)
		seq, digest := r.head("real.all")
		say(t, r.push, "nod_a", seq, digest, now.Add(2*time.Hour))
		until(t, "it is written", func() bool { return r.count("edge_ack_span") == 1 })
		_, all, err := r.push.Deliveries(t.Context(), access.Hub(tree, "t"), "ind_0005")
		if err != nil || len(all) != 2 || all[0].State != push.Confirmed || !all[0].Enforced.Equal(now.Add(2*time.Hour).UTC().Truncate(time.Microsecond)) {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

// TestFirstWordCountsFromJoining gives two edges a first word that is already behind
// a change: whoever had joined before it is on its clock, who joined later is not.
func TestFirstWordCountsFromJoining(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, 0)
		for n := range 3 {
			r.change(indicator.Put, ind(n, label.TLPGreen, "org_a"))
			until(t, "it is pushed", r.pushed)
		}
		pushed := func(id ident.ID) time.Time {
			w, err := r.way(id)
			if err != nil {
				t.Fatal(err)
			}
			return w.Durable
		}
		second, third := pushed("ind_0001"), pushed("ind_0002")
		p := r.hub(time.Now, push.Edge{Node: "nod_1", Org: "org_a", Name: "1", Joined: second, Here: true},
			push.Edge{Node: "nod_2", Org: "org_a", Name: "2", Joined: third.Add(time.Second), Here: true})
		r.run(p.Acknowledge)
		seq, digest := r.head("real.all")
		at := third.Add(time.Minute)
		say(t, p, "nod_1", seq, digest, at)
		say(t, p, "nod_2", seq, digest, at.Add(time.Minute))
		for n, want := range []time.Time{{}, {}, at} {
			id := ident.ID(fmt.Sprintf("ind_%04d", n))
			var w push.Way
			var list []push.Delivery
			until(t, "both confirmed", func() (ok bool) {
				var err error
				w, list, err = p.Deliveries(t.Context(), access.Hub(tree, "t"), id)
				return err == nil && w.Confirmed == 2
			})
			if !w.Enforced.Equal(want) || !list[0].Enforced.Equal(want) || !list[1].Enforced.IsZero() {
				t.Errorf("%s was enforced at %s, by the edges at %s and %s", id, w.Enforced, list[0].Enforced, list[1].Enforced)
			}
		}
	})
}

// TestOldChangesAreForgotten keeps what is enforced and what edges catch up from.
func TestOldChangesAreForgotten(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, 0)
		r.change(indicator.Put, ind(1, label.TLPGreen, "org_a"), ind(2, label.TLPGreen, "org_a"))
		until(t, "it is pushed", r.pushed)
		r.change(indicator.Remove, ind(2, label.TLPGreen, "org_a"))
		until(t, "it is pushed", r.pushed)
		say(t, r.push, "nod_a", 0, new(set.Digest).Sum(), time.Now())
		seq, digest := r.head("real.all")
		say(t, r.push, "nod_a", seq, digest, time.Now())
		until(t, "it is written", func() bool { return r.count("edge_ack_span") == 1 && r.count("feed_clock") == 3 })
		// As if many more had followed.
		err := db.Write(t.Context(), "t", func(tx *ledger.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE feed SET seq = 30000 WHERE name = 'real.all'`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			days, entries, clocks, spans int
		}{{1, 3, 3, 1}, {31, 3, 3, 0}, {401, 1, 1, 0}} {
			p := r.hub(func() time.Time { return time.Now().AddDate(0, 0, step.days) })
			for range 2 { // The second time there is nothing to do.
				if err := p.Forget(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if e, c, s := r.count("feed_entry"), r.count("feed_clock"), r.count("edge_ack_span"); e != step.entries || c != step.clocks || s != step.spans {
				t.Errorf("after %d days there are %d entries, %d clocks, %d spans", step.days, e, c, s)
			}
		}
		if n := r.count(`feed_entry WHERE indicator = 'ind_0001'`); n != 1 {
			t.Error("what is enforced was forgotten")
		}
	})
}
