package affected

import (
	"cmp"
	"slices"

	"noroshi/fault"
)

// Hit is one weakness in one component of one system.
type Hit struct {
	Weakness  string   `json:"weakness"` // the CVE, where it has one
	Names     []string `json:"names"`    // all ids and aliases
	By        []string `json:"by"`       // the advisories that say so
	Summary   string   `json:"summary,omitempty"`
	Component string   `json:"component"`
	PURL      string   `json:"purl"`
	Fixed     string   `json:"fixed,omitempty"` // the lowest version that none of them affects
	Path      []string `json:"path,omitempty"`  // from what the system needs itself to the component
}

// Result is a system with what hits it.
type Result struct {
	System   string         `json:"system"`
	Version  string         `json:"version,omitempty"`
	Hits     []Hit          `json:"hits"`
	Unjudged map[string]int `json:"unjudged,omitempty"` // components, by why they cannot be judged
}

// Check judges every system. Each release of a package is judged once, however
// many systems have it.
func (v *Inventory) Check(a *Advisories) []Result {
	out := make([]Result, len(v.systems))
	for i, s := range v.systems {
		out[i] = Result{System: s.name, Version: s.version, Hits: []Hit{}}
	}
	for i := range v.releases {
		r := &v.releases[i]
		for _, u := range r.uses {
			if r.why != "" {
				res := &out[u.system]
				if res.Unjudged == nil {
					res.Unjudged = map[string]int{}
				}
				res.Unjudged[r.why]++
			}
		}
		for _, h := range a.hits(r, nil) {
			for _, u := range r.uses {
				h.Path = v.path(u)
				out[u.system].Hits = append(out[u.system].Hits, h)
			}
		}
	}
	for i := range out {
		sortHits(out[i].Hits)
	}
	return out
}

func sortHits(list []Hit) {
	slices.SortStableFunc(list, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(a.Component, b.Component), cmp.Compare(a.Weakness, b.Weakness))
	})
}

// WhoIsHit answers for one weakness, by any of its names, with the systems that
// have it.
func (v *Inventory) WhoIsHit(a *Advisories, name string) ([]Result, error) {
	group, ok := a.groups.find(name)
	if !ok {
		return nil, fault.New(fault.NotFound, "affected.who", "no advisory that was loaded speaks of %q", clip(name))
	}
	keys := map[string]bool{}
	for _, member := range a.groups.members[group] {
		if n, ok := a.byID[member]; ok {
			for _, p := range a.list[n].affected {
				keys[p.key] = true
			}
		}
	}
	hits := map[int32][]Hit{}
	for key := range keys {
		for _, i := range v.byPackage[key] {
			r := &v.releases[i]
			for _, h := range a.hits(r, &group) {
				for _, u := range r.uses {
					h.Path = v.path(u)
					hits[u.system] = append(hits[u.system], h)
				}
			}
		}
	}
	out := make([]Result, 0, len(hits))
	for n, list := range hits {
		sortHits(list)
		out = append(out, Result{System: v.systems[n].name, Version: v.systems[n].version, Hits: list})
	}
	slices.SortFunc(out, func(a, b Result) int {
		return cmp.Or(cmp.Compare(a.System, b.System), cmp.Compare(a.Version, b.Version))
	})
	return out, nil
}

// hits are the weaknesses of a release, one for each group of aliases; only
// that of one group if it is given.
func (a *Advisories) hits(r *release, only *int32) (out []Hit) {
	if r.key == "" {
		return nil
	}
	var of []int32 // the group of each in out
	for _, x := range a.judge(r.key, r.version) {
		adv := &a.list[x.advisory]
		group, _ := a.groups.find(adv.id)
		if only != nil && group != *only {
			continue
		}
		i := slices.Index(of, group)
		if i < 0 {
			names := a.groups.names(group)
			of = append(of, group)
			out = append(out, Hit{Weakness: names[0], Names: names, By: []string{adv.id}, Summary: adv.summary, Component: r.label, PURL: r.purl, Fixed: x.fixed})
			continue
		}
		h := &out[i]
		h.By = append(h.By, adv.id)
		if h.Summary == "" {
			h.Summary = adv.summary
		}
		// What one leaves open is not fixed; else the highest of the fixes is.
		switch rule := a.list[x.advisory].affected[0].rule; {
		case h.Fixed == "" || x.fixed == "":
			h.Fixed = ""
		case rule.Compare(x.fixed, h.Fixed) > 0:
			h.Fixed = x.fixed
		}
	}
	return out
}
