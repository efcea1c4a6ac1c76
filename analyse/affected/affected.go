// Package affected says which systems a known weakness hits. It reads OSV
// advisories (https://ossf.github.io/osv-schema) into an index by package,
// merges those that are aliases into one weakness, and keeps an inventory of
// systems the other way round, so that "who is hit" is a look-up. It matches by
// package URL and each ecosystem's own order of versions, never by likeness of
// names; what it cannot judge it counts. It neither reads bills of materials
// (sense/sbom) nor stores anything; package app brings both together.
package affected

import (
	"slices"
	"strings"

	"noroshi/analyse/affected/version"
)

// Advisories are all advisories that are known, by package and by name. The zero
// value is not usable; New makes one.
type Advisories struct {
	list   []advisory
	byID   map[string]int32
	gone   map[string]string // of the withdrawn: when that was said
	at     map[string][]place
	groups groups
	types  map[string]bool // of packages that any is about
}

// New returns an empty set of advisories.
func New() *Advisories {
	return &Advisories{byID: map[string]int32{}, gone: map[string]string{}, at: map[string][]place{}, types: map[string]bool{}, groups: groups{of: map[string]int32{}}}
}

// advisory is what is kept of one.
type advisory struct {
	id, summary, modified string
	remedy                string // what to do, where it says so
	vectors               []string
	place                 int32 // of its id in the groups
	affected              []affectedPackage
}

// place is one package of one advisory.
type place struct{ advisory, affected int32 }

// affectedPackage is what an advisory says of one package.
type affectedPackage struct {
	key    string
	rule   version.Rule
	ranges []span
	// versions are those enumerated, each between two line feeds: a list of
	// strings would be four times as large.
	versions string
	// within and fixes are what CSAF says: ranges, and versions that are fixed.
	within []version.Range
	fixes  []string
}

// Len is how many advisories are known.
func (a *Advisories) Len() int { return len(a.byID) }

// add takes an advisory; of two with one id the later modified stays, and none
// that was withdrawn later.
func (a *Advisories) add(x advisory, aliases []string) {
	if when, ok := a.gone[x.id]; ok && when >= x.modified {
		return
	}
	if old, ok := a.byID[x.id]; ok {
		if a.list[old].modified >= x.modified {
			return
		}
		a.forget(old)
	}
	n := int32(len(a.list))
	x.place = a.groups.make(x.id)
	a.list = append(a.list, x)
	a.byID[x.id] = n
	for i, p := range x.affected {
		a.at[p.key] = append(a.at[p.key], place{n, int32(i)})
		a.types[typeOf(p.key)] = true
	}
	for _, alias := range aliases {
		a.groups.join(x.id, alias)
	}
}

// forget takes an advisory out of the index.
func (a *Advisories) forget(n int32) {
	for _, p := range a.list[n].affected {
		a.at[p.key] = slices.DeleteFunc(a.at[p.key], func(x place) bool { return x.advisory == n })
	}
	delete(a.byID, a.list[n].id)
	a.list[n] = advisory{}
}

// verdict is what one advisory says of one release.
type verdict struct {
	advisory int32
	fixed    string // the first version that is not affected, if there is one
}

// judge says which advisories hit a version of a package; only those of one
// group if it is given.
func (a *Advisories) judge(key, v string, only *int32) (hits []verdict) {
	for _, p := range a.at[key] {
		if only != nil && a.groups.top(a.list[p.advisory].place) != *only {
			continue
		}
		fixed, hit := a.list[p.advisory].affected[p.affected].hits(v)
		if !hit {
			continue
		}
		if n := len(hits); n > 0 && hits[n-1].advisory == p.advisory {
			continue // The package stands twice in the advisory.
		}
		hits = append(hits, verdict{p.advisory, fixed})
	}
	// In one order, whichever advisory was known first.
	slices.SortFunc(hits, func(x, y verdict) int { return strings.Compare(a.list[x.advisory].id, a.list[y.advisory].id) })
	return hits
}

// hits says whether a version is affected, and what fixes it.
func (p *affectedPackage) hits(v string) (fixed string, hit bool) {
	valid := p.rule.Valid(v)
	if valid {
		for _, r := range p.ranges {
			if r.covers(p.rule, v) && r.builds(p.key, v) {
				hit = true
				fixed = p.lower(fixed, r.fix(p.rule, v))
			}
		}
		hit = hit || slices.ContainsFunc(p.within, func(r version.Range) bool { return r.Contains(v) })
		for _, f := range p.fixes {
			if p.rule.Compare(f, v) > 0 {
				fixed = p.lower(fixed, f)
				break
			}
		}
	}
	if hit || !strings.Contains(p.versions, "\n"+v+"\n") {
		return fixed, hit
	}
	for _, r := range p.ranges {
		if valid {
			fixed = p.lower(fixed, r.fix(p.rule, v))
		}
	}
	return fixed, true
}

// lower is the lower of two fixed versions; none is not lower.
func (p *affectedPackage) lower(a, b string) string {
	if a == "" || b != "" && p.rule.Compare(b, a) < 0 {
		return b
	}
	return a
}

// says tells whether two say the same of one package, as OSV has it.
func (p *affectedPackage) says(other *affectedPackage) bool {
	return p.key == other.key && p.versions == other.versions && slices.EqualFunc(p.ranges, other.ranges, func(a, b span) bool { return slices.Equal(a.events, b.events) })
}
