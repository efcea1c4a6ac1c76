package affected_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"noroshi/analyse/affected"
	"noroshi/analyse/exploited"
	"noroshi/bom"
)

// TestLiveInventoryIsTheOneMadeAnew changes an inventory and its advisories in a
// random order, and compares what it says with one that is made of what is left.
func TestLiveInventoryIsTheOneMadeAnew(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		live, known := affected.NewInventory(), with(t)
		systems, texts, sums := map[string]bom.System{}, []string{}, map[string]uint64{}
		for range 60 {
			changed, packages := "", []string{}
			switch name := fmt.Sprint("s", r.IntN(5)); r.IntN(3) {
			case 0:
				s := bom.System{Name: name}
				for range r.IntN(5) {
					s.Components = append(s.Components, component(t, fmt.Sprintf("pkg:npm/p%d@%d.0.0", r.IntN(3), r.IntN(4))))
				}
				live.Put(s)
				systems[name], changed = s, name
			case 1:
				live.Remove(name)
				delete(systems, name)
				changed = name
			case 2:
				id := fmt.Sprint("A-", len(texts))
				text := advisory(id, "npm", fmt.Sprint("p", r.IntN(3)), fmt.Sprintf(`{"introduced":"0"},{"fixed":"%d.0.0"}`, 1+r.IntN(4)), "")
				if known.Knows(id) {
					t.Fatalf("%s is known before it came", id)
				}
				if err := known.AddJSON([]byte(text), &affected.Report{}); err != nil {
					t.Fatal(err)
				}
				texts, packages = append(texts, text), known.Packages(id)
			}
			gained := live.Judge(known, &exploited.Known{}, packages)
			anew, a := affected.NewInventory(), with(t, texts...)
			for _, name := range slices.Sorted(maps.Keys(systems)) {
				anew.Put(systems[name])
			}
			anew.Judge(a, &exploited.Known{}, nil)
			for name := range systems {
				if live.Sum(name) != anew.Sum(name) || len(live.Hits(name)) != len(anew.Hits(name)) {
					t.Fatalf("seed %d: %s has %d hits; made anew %d", seed, name, len(live.Hits(name)), len(anew.Hits(name)))
				}
				want := sums[name]
				for _, h := range gained[name] {
					want += h.Sum()
				}
				if sums[name] = live.Sum(name); name != changed && want != sums[name] {
					t.Fatalf("seed %d: what %s gained is not what makes it another", seed, name)
				}
			}
			if changed != "" && len(live.Hits(changed)) > 0 && len(systems[changed].Components) == 0 {
				t.Fatalf("seed %d: %s has hits and no components", seed, changed)
			}
		}
	}
}

// TestWithdrawnStaysWithdrawn whichever comes first.
func TestWithdrawnStaysWithdrawn(t *testing.T) {
	out, in := `{"id":"A","modified":"2026-02-01T00:00:00Z","withdrawn":"2026-02-01T00:00:00Z"}`, advisory("A", "npm", "x", `{"introduced":"0"}`, "")
	for _, order := range [][]string{{in, out}, {out, in}} {
		if by, _ := hit(t, with(t, order...), "pkg:npm/x@1.0.0"); len(by) > 0 {
			t.Errorf("%v hit", by)
		}
	}
}
