package affected

import (
	"cmp"
	"encoding/json"
	"slices"

	"noroshi/analyse/cvss"
	"noroshi/analyse/exploited"
	"noroshi/analyse/ssvc"
	"noroshi/analyse/vex"
	"noroshi/fault"
)

// Weakness is one weakness in one release of a package, whoever has it.
type Weakness struct {
	Weakness  string   `json:"weakness"` // the CVE, where it has one
	Names     []string `json:"names"`    // all ids and aliases
	By        []string `json:"by"`       // the advisories that say so
	Summary   string   `json:"summary,omitempty"`
	Component string   `json:"component"`
	PURL      string   `json:"purl"`
	// Confidence is "low" where only the names of NVD say so (ByName).
	Confidence string   `json:"confidence,omitempty"`
	Fixed      string   `json:"fixed,omitempty"`  // the lowest version that none of them affects
	Remedy     string   `json:"remedy,omitempty"` // what to do, as an advisory says it
	Vectors    []string `json:"cvss,omitempty"`   // as the advisories have them
	// Score is the highest of the vectors, and Threat what is known of attacks: of
	// what Weigh has seen.
	Score   float64           `json:"score,omitempty"`
	Threat  *exploited.Threat `json:"threat,omitempty"`
	vector  cvss.Vector
	weighed bool
}

// Hit is one weakness in one component of one system.
type Hit struct {
	*Weakness
	// Priority says how soon it must be dealt with here, of what Weigh has seen.
	Priority *ssvc.Answer
	// Decision is what somebody decided about it (VEX), of what Decide has seen.
	Decision *vex.Decision
	in       *Inventory
	use      use
}

// Path leads from what the system needs itself to the component; it is nil where
// the bill of materials does not say. It is found when it is asked for: of ten
// thousand systems that are hit, a reader looks at some.
func (h Hit) Path() []string { return h.in.path(h.use) }

// MarshalJSON writes the weakness with its path.
func (h Hit) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		*Weakness
		Path     []string      `json:"path,omitempty"`
		Priority *ssvc.Answer  `json:"priority,omitempty"`
		Decision *vex.Decision `json:"decision,omitempty"`
	}{h.Weakness, h.Path(), h.Priority, h.Decision})
}

// Result is a system with what hits it.
type Result struct {
	System   string         `json:"system"`
	Version  string         `json:"version,omitempty"`
	Hits     []Hit          `json:"hits"`
	Unjudged map[string]int `json:"unjudged,omitempty"` // components, by why they cannot be judged
	in       *Inventory
	system   int32
}

// Check judges every system. Each release of a package is judged once, however
// many systems have it.
func (v *Inventory) Check(a *Advisories) []Result {
	var found []Hit
	for i := range v.releases {
		found = v.found(found, a, &v.releases[i], nil)
	}
	out := make([]Result, len(v.systems))
	for i, hits := range v.bySystem(found) {
		out[i] = v.result(i, hits)
	}
	for i := range v.releases {
		if r := &v.releases[i]; r.why != "" {
			for _, u := range r.uses {
				res := &out[u.system]
				if res.Unjudged == nil {
					res.Unjudged = map[string]int{}
				}
				res.Unjudged[r.why]++
			}
		}
	}
	return out
}

// found appends the hits of one release wherever it is used.
func (v *Inventory) found(list []Hit, a *Advisories, r *release, only *int32) []Hit {
	for _, w := range a.hits(r, only) {
		for _, u := range r.uses {
			list = append(list, Hit{Weakness: w, in: v, use: u})
		}
	}
	return list
}

// bySystem parts hits by their systems: counted first, then put in place.
func (v *Inventory) bySystem(list []Hit) [][]Hit {
	end := make([]int32, len(v.systems)+1)
	for i := range list {
		end[list[i].use.system+1]++
	}
	for i := range v.systems {
		end[i+1] += end[i]
	}
	placed := make([]Hit, len(list))
	for i := range list {
		at := &end[list[i].use.system]
		placed[*at] = list[i]
		*at++
	}
	out := make([][]Hit, len(v.systems))
	from := int32(0)
	for i := range out {
		out[i] = placed[from:end[i]:end[i]]
		from = end[i]
	}
	return out
}

// result orders the hits of one system.
func (v *Inventory) result(system int, hits []Hit) Result {
	v.sort(hits)
	return Result{System: v.systems[system].name, Version: v.systems[system].version, Hits: hits, in: v, system: int32(system)}
}

func (v *Inventory) sort(hits []Hit) {
	slices.SortStableFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(a.Component, b.Component), cmp.Compare(a.Weakness.Weakness, b.Weakness.Weakness))
	})
}

// WhoIsHit answers for one weakness, by any of its names, with the systems that
// have it, in the order in which they were added.
func (v *Inventory) WhoIsHit(a *Advisories, name string) ([]Result, error) {
	group, ok := a.groups.find(name)
	if !ok {
		return nil, fault.New(fault.NotFound, "affected.who", "no advisory that was loaded speaks of %q", clip(name))
	}
	keys := a.keys(group)
	uses := 0
	for key := range keys {
		for _, i := range v.byPackage[key] {
			uses += len(v.releases[i].uses)
		}
	}
	found := make([]Hit, 0, uses) // As many as there can be: one weakness hits a release once.
	for key := range keys {
		for _, i := range v.byPackage[key] {
			found = v.found(found, a, &v.releases[i], &group)
		}
	}
	out := make([]Result, 0, min(len(found), len(v.systems)))
	for i, hits := range v.bySystem(found) {
		if len(hits) > 0 {
			out = append(out, v.result(i, hits))
		}
	}
	return out, nil
}

// keys are the packages of which the advisories of a group speak.
func (a *Advisories) keys(group int32) map[string]bool {
	keys := map[string]bool{}
	for _, member := range a.groups.members[group] {
		if n, ok := a.byID[member]; ok {
			for _, p := range a.list[n].affected {
				keys[p.key] = true
			}
		}
	}
	return keys
}

// hits are the weaknesses of a release, one for each group of aliases; only
// that of one group if it is given.
func (a *Advisories) hits(r *release, only *int32) (out []*Weakness) {
	if r.key == "" {
		return nil
	}
	var of []int32 // the group of each in out
	for _, x := range a.judge(r.key, r.version, only) {
		adv := &a.list[x.advisory]
		group := a.groups.top(adv.place)
		i := slices.Index(of, group)
		if i < 0 {
			names := a.groups.names(group)
			of = append(of, group)
			out = append(out, &Weakness{Weakness: names[0], Names: names, By: []string{adv.id}, Summary: adv.summary, Component: r.label, PURL: r.purl, Fixed: x.fixed, Remedy: adv.remedy, Vectors: adv.vectors})
			continue
		}
		h := out[i]
		h.By = append(h.By, adv.id)
		if h.Summary == "" {
			h.Summary = adv.summary
		}
		if h.Remedy == "" {
			h.Remedy = adv.remedy
		}
		for _, vector := range adv.vectors {
			if !slices.Contains(h.Vectors, vector) {
				h.Vectors = append(slices.Clip(h.Vectors), vector)
			}
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
