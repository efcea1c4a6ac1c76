package affected

import (
	"noroshi/analyse/nvd"
	"noroshi/bom"
)

// Inventory is many systems, by what they are made of. A release of a package is
// kept once, with where it is used.
type Inventory struct {
	systems   []system
	releases  []release
	known     map[string]int32   // by package URL, or name and version
	byPackage map[string][]int32 // releases by the key of their package
	names     map[string]bool    // what NVD calls them (nvd.CPE.Key)

	// What keeps an inventory that changes: see live.go.
	named map[string]int32 // systems by their names
	spare []int32          // places of systems that were removed
	idle  []int32          // places of releases that nobody uses any more
	fresh []int32          // releases that were not judged yet
}

type system struct {
	name, version string
	purl          bom.PURL
	// Of each component: its release, and the component through which the system
	// needs it.
	release, parent []int32
	// What hits it by the names of NVD, as of the last JudgeNames.
	named    []Hit
	namedSum uint64
}

type release struct {
	id, label, purl, key, version, why string
	component                          bom.PURL
	name                               *nvd.CPE // nil when it has none
	uses                               []use
	hits                               []*Weakness // as of the last Judge
	sum                                uint64      // of hits
}

type use struct{ system, component int32 }

// NewInventory returns an empty inventory.
func NewInventory() *Inventory {
	return &Inventory{known: map[string]int32{}, byPackage: map[string][]int32{}, names: map[string]bool{}, named: map[string]int32{}}
}

// Add takes a system in.
func (v *Inventory) Add(s bom.System) {
	v.systems = append(v.systems, system{})
	v.place(int32(len(v.systems)-1), s)
}

// place keeps a system at its place in the list.
func (v *Inventory) place(n int32, s bom.System) {
	sys := system{name: s.Name, version: s.Version, purl: s.PURL, release: make([]int32, len(s.Components)), parent: s.Parents()}
	for i, c := range s.Components {
		r := v.release(c)
		sys.release[i] = r
		v.releases[r].uses = append(v.releases[r].uses, use{n, int32(i)})
	}
	v.systems[n] = sys
}

// release finds the release of a component, or makes it.
func (v *Inventory) release(c bom.Component) int32 {
	name := c.PURL.String()
	if name == "" || c.PURL.Version == "" {
		name += "\n" + c.Name + "\n" + c.Version + "\n" + c.CPE
	}
	if r, ok := v.known[name]; ok {
		return r
	}
	r := release{id: name, label: c.Label(), purl: c.PURL.String(), component: c.PURL, name: nameOf(c)}
	if r.name != nil {
		v.names[r.name.Key()] = true
	}
	r.key, r.version, r.why = releaseOf(c)
	if r.why == NoVersion {
		r.key = "" // Nothing can be said of it.
	}
	n := v.room(r)
	v.known[name] = n
	if r.key != "" {
		v.byPackage[r.key] = append(v.byPackage[r.key], n)
	}
	return n
}

// path is how a system came to a component: what it needs itself first. It is
// nil where the bill of materials does not say.
func (v *Inventory) path(u use) (labels []string) {
	s := &v.systems[u.system]
	if s.parent[u.component] == bom.Unreached {
		return nil
	}
	n := 0
	for c := u.component; c != bom.Root; c = s.parent[c] {
		n++
	}
	labels = make([]string, n)
	for c := u.component; c != bom.Root; c = s.parent[c] {
		n--
		labels[n] = v.releases[s.release[c]].label
	}
	return labels
}
