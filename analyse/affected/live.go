package affected

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"noroshi/analyse/exploited"
	"noroshi/analyse/ssvc"
	"noroshi/bom"
)

// Put takes a system in, in place of the one that has its name. An inventory is
// filled with Put or with Add, not with both.
func (v *Inventory) Put(s bom.System) {
	v.Remove(s.Name)
	n := int32(len(v.systems))
	if last := len(v.spare) - 1; last >= 0 {
		n, v.spare = v.spare[last], v.spare[:last]
	} else {
		v.systems = append(v.systems, system{})
	}
	v.place(n, s)
	v.named[s.Name] = n
}

// Remove forgets a system, and the releases that nobody else has.
func (v *Inventory) Remove(name string) {
	n, ok := v.named[name]
	if !ok {
		return
	}
	delete(v.named, name)
	v.spare = append(v.spare, n)
	for _, i := range v.systems[n].release {
		r := &v.releases[i]
		if len(r.uses) == 0 {
			continue // It stood twice in the system.
		}
		if r.uses = slices.DeleteFunc(r.uses, func(u use) bool { return u.system == n }); len(r.uses) > 0 {
			continue
		}
		delete(v.known, r.id)
		if r.key != "" {
			v.byPackage[r.key] = slices.DeleteFunc(v.byPackage[r.key], func(x int32) bool { return x == i })
			if len(v.byPackage[r.key]) == 0 {
				delete(v.byPackage, r.key)
			}
		}
		*r = release{}
		v.idle = append(v.idle, i)
	}
	v.systems[n] = system{}
}

// room keeps a new release, which is to be judged.
func (v *Inventory) room(r release) (n int32) {
	if last := len(v.idle) - 1; last >= 0 {
		n, v.idle = v.idle[last], v.idle[:last]
		v.releases[n] = r
	} else {
		n = int32(len(v.releases))
		v.releases = append(v.releases, r)
	}
	v.fresh = append(v.fresh, n)
	return n
}

// Judge judges what was put in since the last time, and all releases of some
// packages; of every package if packages is nil. It returns, by the name of each
// system that had them already, the hits that are new.
func (v *Inventory) Judge(a *Advisories, known *exploited.Known, packages []string) map[string][]Hit {
	gained := map[string][]Hit{}
	hits := func(r *release) []*Weakness {
		list := a.hits(r, nil)
		for _, w := range list {
			w.weigh(known)
		}
		return list
	}
	for _, i := range v.fresh {
		r := &v.releases[i]
		r.hits = hits(r)
		r.sum = sumOf(r.hits)
	}
	v.fresh = nil
	again := func(i int32) {
		r := &v.releases[i]
		was := r.hits
		r.hits = hits(r)
		sum := sumOf(r.hits)
		if sum == r.sum {
			return
		}
		r.sum = sum
		for _, w := range r.hits {
			if slices.ContainsFunc(was, func(x *Weakness) bool { return x.Sum() == w.Sum() }) {
				continue
			}
			for _, u := range r.uses {
				name := v.systems[u.system].name
				gained[name] = append(gained[name], Hit{Weakness: w, in: v, use: u})
			}
		}
	}
	if packages == nil {
		for i := range v.releases {
			again(int32(i))
		}
	}
	for _, key := range packages {
		for _, i := range v.byPackage[key] {
			again(i)
		}
	}
	return gained
}

// Hits are those of a system as of the last Judge, in the order of its
// components.
func (v *Inventory) Hits(name string) (list []Hit) {
	n, ok := v.named[name]
	if !ok {
		return nil
	}
	for c, i := range v.systems[n].release {
		for _, w := range v.releases[i].hits {
			list = append(list, Hit{Weakness: w, in: v, use: use{n, int32(c)}})
		}
	}
	return append(list, v.systems[n].named...)
}

// Unjudged counts a system's components that cannot be judged, by reason.
func (v *Inventory) Unjudged(name string) map[string]int {
	out := map[string]int{}
	if n, ok := v.named[name]; ok {
		for _, i := range v.systems[n].release {
			if why := v.releases[i].why; why != "" {
				out[why]++
			}
		}
	}
	return out
}

// Sum is a number that is another when a system's hits are others: the sum of
// theirs, so that it grows by those of new hits.
func (v *Inventory) Sum(name string) (sum uint64) {
	if n, ok := v.named[name]; ok {
		for _, i := range v.systems[n].release {
			sum += v.releases[i].sum
		}
		sum += v.systems[n].namedSum
	}
	return sum
}

// Sum is a number that is another when what is said of the weakness is. Of the
// chance of an attack, which changes every day, counts what changes a decision.
func (w *Weakness) Sum() uint64 {
	x := *w
	likely := false
	if w.Threat != nil {
		likely = w.Threat.EPSS >= ssvc.LikelyEPSS
		if x.Threat = nil; w.Threat.KEV != nil {
			x.Threat = &exploited.Threat{KEV: w.Threat.KEV}
		}
	}
	h := fnv.New64a()
	b, _ := json.Marshal(x)                  // Plain data always marshals.
	_, _ = fmt.Fprintf(h, "%s%v", b, likely) // A hash takes everything.
	return h.Sum64()
}

func sumOf(list []*Weakness) (sum uint64) {
	for _, w := range list {
		sum += w.Sum()
	}
	return sum
}

// Knows tells whether an advisory or an alias of one has this name, or an
// advisory of this name was withdrawn.
func (a *Advisories) Knows(name string) bool {
	_, gone := a.gone[name]
	_, ok := a.groups.of[name]
	return ok || gone
}

// About tells whether any advisory, also one that was withdrawn, is about packages
// of a type, such as deb.
func (a *Advisories) About(packageType string) bool { return a.types[packageType] }

// Packages are those of which the advisories of a weakness speak, as Judge takes
// them. The weakness goes by any of its names.
func (a *Advisories) Packages(name string) []string {
	group, ok := a.groups.find(name)
	if !ok {
		return []string{}
	}
	return append([]string{}, slices.Sorted(maps.Keys(a.keys(group)))...)
}
