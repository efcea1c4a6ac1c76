package identity_test

import (
	"slices"
	"strconv"
	"sync"
	"testing"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/identity/join"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

func TestCutIsLearnedByTheOtherHub(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		r := newRig(t, db)
		one, two := r.join(t, "one"), r.join(t, "two")
		other := r.another(t)
		var told []ident.ID
		other.OnCut = func(id ident.ID) { told = append(told, id) }
		must(t, r.nodes.Cut(ctx, r.all, one.Node, "stolen"))
		if _, err := other.Admit(ctx, one.Leaf()); err != nil {
			t.Errorf("what stands in memory is believed for a moment, but: %v", err)
		}
		must(t, other.Refresh(ctx))
		must(t, other.Refresh(ctx))
		if _, err := other.Admit(ctx, one.Leaf()); fault.KindOf(err) != fault.Denied || !slices.Equal(told, []ident.ID{one.Node}) {
			t.Errorf("after a look: %v, told %v", err, told)
		}
		// Nobody looks, but the time is over.
		must(t, r.nodes.Cut(ctx, r.all, two.Node, "stolen"))
		r.add(identity.MaxStale)
		if _, err := other.Admit(ctx, two.Leaf()); fault.KindOf(err) != fault.Denied || !slices.Equal(told, []ident.ID{one.Node, two.Node}) {
			t.Errorf("after %s without a look: %v, told %v", identity.MaxStale, err, told)
		}
		// And the other way round, for a node that the other hub has never met.
		three := r.join(t, "three")
		must(t, other.Cut(ctx, r.all, three.Node, "stolen"))
		must(t, r.nodes.Refresh(ctx))
		if _, err := r.nodes.Admit(ctx, three.Leaf()); fault.KindOf(err) != fault.Denied {
			t.Errorf("cut at the other hub: %v", err)
		}
	})
}

func TestAnswerFromBeforeTheCutDoesNotUndoIt(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	c := r.join(t, "host")
	before := identity.Known(r.nodes, c.Node)
	must(t, r.nodes.Cut(t.Context(), r.all, c.Node, "stolen"))
	identity.Learn(r.nodes, before) // A look that began earlier ends now.
	if _, err := r.nodes.Admit(t.Context(), c.Leaf()); fault.KindOf(err) != fault.Denied {
		t.Errorf("the node is admitted again: %v", err)
	}
}

// TestNoLookUndoesACut lets two hubs look all the while that nodes are cut off.
func TestNoLookUndoesACut(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		r := newRig(t, db)
		hubs := []*identity.Nodes{r.nodes, r.another(t)}
		var list []*join.Credentials
		for i := range 12 {
			list = append(list, r.join(t, "n"+strconv.Itoa(i)))
		}
		must(t, hubs[1].Refresh(ctx))
		var mu sync.Mutex
		cut := map[ident.ID]int{}
		for _, h := range hubs {
			h.OnCut = func(id ident.ID) { mu.Lock(); cut[id]++; mu.Unlock() }
		}
		done := make(chan struct{})
		var looking, cutting sync.WaitGroup
		for _, h := range hubs {
			looking.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
						if err := h.Refresh(ctx); err != nil {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		for i, c := range list {
			cutting.Go(func() {
				if err := hubs[i%2].Cut(ctx, r.all, c.Node, "drill"); err != nil {
					t.Error(err)
				}
			})
		}
		cutting.Wait()
		close(done)
		looking.Wait()
		for _, h := range hubs {
			must(t, h.Refresh(ctx))
			for _, c := range list {
				if _, err := h.Admit(ctx, c.Leaf()); fault.KindOf(err) != fault.Denied {
					t.Errorf("%s is admitted again: %v", c.Node, err)
				}
			}
		}
		for _, c := range list {
			if cut[c.Node] != 2 {
				t.Errorf("%s was disconnected %d times at two hubs", c.Node, cut[c.Node])
			}
		}
	})
}

func TestKnownNodesAreServedWhileTheLedgerIsAway(t *testing.T) {
	ledgertest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		first, err := ledger.Open(ctx, url)
		must(t, err)
		t.Cleanup(func() { must(t, first.Close()) })
		second, err := ledger.Open(ctx, url)
		must(t, err)
		r := newRig(t, first)
		known := r.join(t, "known")
		deps := r.deps
		deps.DB = second
		other, err := identity.OpenNodes(ctx, deps, r.ca, r.hub)
		must(t, err)
		unknown := r.join(t, "unknown")
		must(t, second.Close())
		r.add(identity.MaxStale)
		if n, err := other.Admit(ctx, known.Leaf()); err != nil || n.ID != known.Node {
			t.Errorf("a node that was good a moment ago: %v", err)
		}
		if _, err := other.Admit(ctx, unknown.Leaf()); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("a node that is not in memory: %v", err)
		}
		if err := other.Refresh(ctx); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("a look says %v", err)
		}
	})
}

func TestOrganisationsOfTheOtherHubAreLearned(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		r := newRig(t, db)
		other, err := identity.OpenOrganisations(ctx, r.deps)
		must(t, err)
		before := other.Current()
		must(t, other.Refresh(ctx))
		if other.Current() != before {
			t.Error("nothing changed, but the tree did")
		}
		c, err := r.orgs.Put(ctx, "t", org.Organisation{Slug: "c", Name: "C", Parent: r.a.ID})
		must(t, err)
		if _, there := other.Current().Get(c.ID); there {
			t.Error("it was learned before anybody looked")
		}
		must(t, other.Refresh(ctx))
		if _, there := other.Current().Get(c.ID); !there {
			t.Error("the new organisation was not learned")
		}
	})
}
