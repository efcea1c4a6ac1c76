package affected

import (
	"maps"
	"slices"
	"strings"

	"noroshi/analyse/exploited"
	"noroshi/analyse/nvd"
	"noroshi/bom"
)

// LowConfidence is how much a hit by the names of NVD is believed: they do not
// say which distribution mended it, nor always who the vendor is.
const LowConfidence = "low"

// nameOf is what NVD calls a component, nil when the bill does not say. A name
// without a version is completed by the component's.
func nameOf(c bom.Component) *nvd.CPE {
	name, ok := nvd.ParseCPE(c.CPE)
	if !ok {
		return nil
	}
	return name.In(c.Version)
}

// Named tells whether any component has this name of NVD (nvd.CPE.Key).
func (v *Inventory) Named(key string) bool { return v.names[key] }

// Names is how many of them there are. It never becomes less.
func (v *Inventory) Names() int { return len(v.names) }

// JudgeNames judges systems by what NVD says, those of some names, or all if names
// is nil.
func (v *Inventory) JudgeNames(a *Advisories, k *nvd.Known, attacks *exploited.Known, names []string) {
	if names == nil {
		names = slices.Collect(maps.Keys(v.named))
	}
	known, sums := map[nameHit]*Weakness{}, map[*Weakness]uint64{}
	for _, name := range names {
		n, ok := v.named[name]
		if !ok {
			continue
		}
		s := &v.systems[n]
		if s.named, s.namedSum = nil, 0; k.Len() == 0 {
			continue
		}
		s.named = v.hitsByName(n, a, k, "", known)
		for _, h := range s.named {
			if _, done := sums[h.Weakness]; !done {
				h.weigh(attacks)
				sums[h.Weakness] = h.Sum()
			}
			s.namedSum += sums[h.Weakness]
		}
	}
}

// WhoByName adds to results the systems that a weakness hits as of the last
// JudgeNames.
func (v *Inventory) WhoByName(results []Result, name string) []Result {
	at := places(results)
	for n := range v.systems {
		var more []Hit
		for _, h := range v.systems[n].named {
			if slices.Contains(h.Names, name) {
				more = append(more, h)
			}
		}
		results = v.merge(results, at, n, more)
	}
	return results
}

// places are those of systems among results.
func places(results []Result) map[int32]int {
	at := map[int32]int{}
	for i := range results {
		at[results[i].system] = i
	}
	return at
}

// merge adds hits of a system that its result does not have.
func (v *Inventory) merge(results []Result, at map[int32]int, n int, more []Hit) []Result {
	if len(more) == 0 {
		return results
	}
	i, there := at[int32(n)]
	if !there {
		return append(results, v.result(n, more))
	}
	had := results[i].Hits
	for _, h := range more {
		if !slices.ContainsFunc(had, func(x Hit) bool {
			return x.Component == h.Component && x.Weakness.Weakness == h.Weakness.Weakness
		}) {
			results[i].Hits = append(results[i].Hits, h)
		}
	}
	v.sort(results[i].Hits)
	return results
}

// ByName adds to results what NVD says hits components of whose package URL
// nothing is known: those without one, or of a kind that no advisory is about.
// With only, that weakness alone is looked for.
func (v *Inventory) ByName(results []Result, a *Advisories, k *nvd.Known, only string) []Result {
	at, known := places(results), map[nameHit]*Weakness{}
	for n := range v.systems {
		results = v.merge(results, at, n, v.hitsByName(int32(n), a, k, only, known))
	}
	return results
}

// nameHit is a weakness in a release, whoever has it.
type nameHit struct {
	cve     string
	release int32
}

func (v *Inventory) hitsByName(system int32, a *Advisories, k *nvd.Known, only string, known map[nameHit]*Weakness) (hits []Hit) {
	var names []nvd.CPE
	var components []int32
	for c, r := range v.systems[system].release {
		if name := v.releases[r].name; name != nil {
			names, components = append(names, *name), append(components, int32(c))
		}
	}
	if names == nil {
		return nil
	}
	for _, m := range k.Match(names) {
		c := components[m.Product]
		n := v.systems[system].release[c]
		r := &v.releases[n]
		if only != "" && m.CVE != only || r.why == "" && a.types[r.component.Type] {
			continue
		}
		w := known[nameHit{m.CVE, n}]
		if w == nil {
			all := []string{m.CVE}
			if group, ok := a.groups.find(m.CVE); ok {
				all = a.groups.names(group)
			}
			w = &Weakness{Weakness: m.CVE, Names: all, By: []string{"NVD"}, Summary: m.Summary, Component: r.label, PURL: r.purl, Vectors: m.Vectors, Confidence: LowConfidence}
			known[nameHit{m.CVE, n}] = w
		}
		hits = append(hits, Hit{Weakness: w, in: v, use: use{system, c}})
	}
	return hits
}

// typeOf is the type of package that a key is about.
func typeOf(key string) string {
	typ, _, _ := strings.Cut(key, "/")
	return typ
}
