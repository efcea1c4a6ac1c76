package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"noroshi/analyse/affected"
	"noroshi/analyse/feed"
	"noroshi/app"
	"noroshi/bench/kit"
	"noroshi/bom"
	"noroshi/sense/sbom"
)

// many makes systems out of the releases of the real ones, each with a tree of
// dependencies, and asks who is hit by every weakness that hits anybody.
func many(f *figures, advisories, files []string, systems, components int, seed uint64) error {
	k, err := app.KnowledgeFiles{Advisories: advisories, Say: func(string, feed.Problems) {}}.Load()
	if err != nil {
		return err
	}
	releases, err := distinct(files)
	if err != nil {
		return err
	}
	began := time.Now()
	r := rand.New(rand.NewPCG(seed, 0))
	v := affected.NewInventory()
	for i := range systems {
		s := bom.System{Name: fmt.Sprintf("system-%05d", i), Version: "1"}
		for j := range components {
			s.Components = append(s.Components, releases[r.IntN(len(releases))])
			s.Edges = append(s.Edges, bom.Edge{From: r.IntN(j+1) - 1, To: j})
		}
		v.Add(s)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Printf("%d systems of %d components from %d releases: made and kept in %.1f s, %d MiB of heap\n", systems, components, len(releases), time.Since(began).Seconds(), m.HeapAlloc>>20)
	began = time.Now()
	names := weaknesses(v.Check(k.Advisories))
	fmt.Printf("all of them checked in %.1f s, %d weaknesses\n", time.Since(began).Seconds(), len(names))
	runtime.GC()
	var all []time.Duration
	most := 0
	for _, name := range names {
		began := time.Now()
		hit, err := v.WhoIsHit(k.Advisories, name)
		if err != nil {
			return err
		}
		for _, r := range hit[:min(page, len(hit))] {
			_ = r.Hits[0].Path()
		}
		all = append(all, time.Since(began))
		most = max(most, len(hit))
	}
	f.WhoIsHit = kit.Milliseconds(slices.Max(all))
	fmt.Printf("who is hit: median %.2f ms, 99th of a hundred %.2f ms, slowest %.2f ms; at most %d systems\n",
		kit.Milliseconds(kit.Quantile(all, 0.5)), kit.Milliseconds(kit.Quantile(all, 0.99)), f.WhoIsHit, most)
	return rematch(f, k.Advisories, v, releases)
}

// page is of how many systems a reader is shown the path at once.
const page = 100

// distinct are the releases of the real systems, each once.
func distinct(files []string) (list []bom.Component, err error) {
	seen := map[string]bool{}
	for _, name := range files {
		s, err := sbom.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for _, c := range s.Components {
			if key := c.PURL.String(); key != "" && !seen[key] {
				seen[key] = true
				list = append(list, c)
			}
		}
	}
	return list, nil
}

func weaknesses(results []affected.Result) (names []string) {
	seen := map[string]bool{}
	for _, r := range results {
		for _, h := range r.Hits {
			if name := h.Weakness.Weakness; !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// rematch publishes an advisory of all versions of the package with the most
// releases, and asks who is hit by it.
func rematch(f *figures, a *affected.Advisories, v *affected.Inventory, releases []bom.Component) error {
	count := map[string]int{}
	for _, c := range releases {
		if c.PURL.Type == "pypi" {
			count[c.PURL.Name]++
		}
	}
	var names []string
	for n := range count {
		names = append(names, n)
	}
	most := slices.MaxFunc(names, func(a, b string) int { return cmp.Or(count[a]-count[b], cmp.Compare(a, b)) })
	text, err := json.Marshal(map[string]any{
		"id": "BENCH-0001", "modified": "2026-01-01T00:00:00Z",
		"affected": []any{map[string]any{
			"package": map[string]string{"ecosystem": "PyPI", "name": most},
			"ranges":  []any{map[string]any{"type": "ECOSYSTEM", "events": []any{map[string]string{"introduced": "0"}}}},
		}},
	})
	if err != nil {
		return err
	}
	began := time.Now()
	if err := a.AddJSON(text, &affected.Report{}); err != nil {
		return err
	}
	hit, err := v.WhoIsHit(a, "BENCH-0001")
	if err != nil {
		return err
	}
	took := time.Since(began)
	f.Rematch = kit.Milliseconds(took)
	fmt.Printf("a new advisory for every version of %s, of which there are %d: %d systems in %.2f ms\n", most, count[most], len(hit), f.Rematch)
	return nil
}
