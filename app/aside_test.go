package app

import (
	"context"
	"log/slog"
	"testing"

	"noroshi/ident"
	"noroshi/ledger/quarantine"
)

// TestGarbageIsKeptTogetherAndWithinBounds: one node's flood costs the ledger one
// transaction, takes no room from another node's, and all of it is counted.
func TestGarbageIsKeptTogetherAndWithinBounds(t *testing.T) {
	kept, writes := map[ident.ID]int{}, 0
	seen := newObserved()
	a := newAside(func(_ context.Context, list []quarantine.Quarantined) error {
		writes++
		for _, x := range list {
			kept[x.Node]++
		}
		return nil
	}, seen, slog.New(slog.DiscardHandler))
	for range 100 {
		a.put(quarantine.Quarantined{Node: "nod_a", Place: "status"})
	}
	a.put(quarantine.Quarantined{Node: "nod_b", Place: "acknowledgement"})
	a.write(t.Context())
	if writes != 1 || kept["nod_a"] != maxOfNode || kept["nod_b"] != 1 {
		t.Errorf("%d writes kept %v", writes, kept)
	}
	if n, all := seen.unkept.Load(), seen.allQuarantined(); n != 100-maxOfNode || all != 101 {
		t.Errorf("%d of %d were counted as not kept", n, all)
	}
	a.put(quarantine.Quarantined{Node: "nod_a", Place: "status"})
	a.write(t.Context())
	if writes != 2 || kept["nod_a"] != maxOfNode+1 {
		t.Errorf("after a write the node has no room again: %v", kept)
	}
}
