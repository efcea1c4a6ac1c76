package remediation

import (
	"slices"
	"strconv"

	"noroshi/action"
	"noroshi/ident"
)

func itoa(n int) string { return strconv.Itoa(n) }

// seen is a weakness with its fingerprint.
type seen struct {
	*action.Weakness
	fingerprint string
}

// step is a part of a survey that is taken whole: weaknesses of one organisation,
// or, after all of them, what the survey says about the rest of it.
type step struct {
	org  ident.ID
	seen []seen
	rest bool
}

// perStep is how many weaknesses a step has, perTransaction how many are written
// before others may write.
const (
	perStep        = 1000
	perTransaction = 4000
)

// steps cuts a survey, always in the same way, so that one that was interrupted
// goes on where it was. The organisation of the survey comes last: another may
// turn out to be the owner of what it holds.
func steps(v *action.Survey) (list []step) {
	of := map[ident.ID][]seen{v.Org: nil}
	for _, o := range v.Orgs {
		of[o] = nil
	}
	type key struct {
		org         ident.ID
		fingerprint string
	}
	met := map[key]bool{}
	for i := range v.Weaknesses {
		w := &v.Weaknesses[i]
		o := w.Org
		if o == "" {
			o = v.Org
		}
		k := key{o, action.Fingerprint(v.Source, *w)}
		if met[k] {
			continue // Twice in one survey is once.
		}
		met[k] = true
		of[o] = append(of[o], seen{w, k.fingerprint})
	}
	orgs := make([]ident.ID, 0, len(of))
	for o := range of {
		if o != v.Org {
			orgs = append(orgs, o)
		}
	}
	slices.Sort(orgs)
	orgs = append(orgs, v.Org)
	for _, o := range orgs {
		for part := range slices.Chunk(of[o], perStep) {
			list = append(list, step{org: o, seen: part})
		}
	}
	for _, o := range orgs {
		list = append(list, step{org: o, rest: true})
	}
	return list
}

// portion is how many of the next steps one transaction takes.
func portion(list []step) int {
	weight := 0
	for i, s := range list {
		if weight += len(s.seen) + 100; weight > perTransaction && i > 0 {
			return i
		}
	}
	return len(list)
}
