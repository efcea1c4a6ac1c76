package affected

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"noroshi/analyse/affected/version"
	"noroshi/analyse/csaf"
	"noroshi/bom"
	"noroshi/fault"
)

// takeCSAF adds an advisory in CSAF: a weakness for each that it speaks of, with
// the products it calls affected that have a package URL. Products that are only
// names, or CPEs, are counted as of what is not judged.
func (a *Advisories) takeCSAF(b []byte, r *Report) error {
	doc, err := csaf.Read(b)
	if err != nil {
		return err
	}
	if len(doc.ID) > maxName {
		return fault.New(fault.Invalid, "affected.advisory", "its id is longer than %d bytes", maxName)
	}
	for i := range doc.Vulnerabilities {
		v := &doc.Vulnerabilities[i]
		names := v.Names()
		if len(names) == 0 {
			names = []string{doc.ID}
		}
		out := advisory{id: doc.ID, modified: doc.Released.UTC().Format(time.RFC3339), summary: clip(v.Title), vectors: v.Vectors}
		if out.summary == "" {
			out.summary = clip(doc.Title)
		}
		// A document about several weaknesses has one advisory for each.
		if len(doc.Vulnerabilities) > 1 {
			out.id += " " + names[0]
		}
		out.affected = affectedOf(doc, v, &out.remedy)
		if len(out.affected) == 0 {
			r.Unusable++
			continue
		}
		r.Advisories++
		r.names = append(r.names, out.id)
		a.add(out, names)
	}
	if len(doc.Vulnerabilities) == 0 {
		r.Unusable++
	}
	return nil
}

// affectedOf is what a document says of the packages that a weakness hits.
func affectedOf(doc *csaf.Document, v *csaf.Vulnerability, remedy *string) (list []affectedPackage) {
	at := map[string]int{}
	for _, s := range []csaf.Status{csaf.KnownAffected, csaf.FirstAffected, csaf.LastAffected} {
		for _, id := range v.Status[s] {
			p := part(doc, id)
			key, rule, v1, ok := productOf(p)
			if !ok {
				continue
			}
			i, known := at[key]
			if !known {
				i, at[key] = len(list), len(list)
				list = append(list, affectedPackage{key: key, rule: rule, fixes: fixesOf(doc, v, key)})
			}
			x := &list[i]
			switch within, ranged := p.Versions(); {
			case p.Range != "" && !ranged:
				continue // A range in an order that is not known.
			case ranged:
				x.within = append(x.within, within)
			case v1 == "":
				x.within = append(x.within, below(x.fixes, p.PURL.Type))
			default:
				x.versions = strings.TrimSuffix(x.versions, "\n") + "\n" + v1 + "\n"
			}
			if *remedy == "" {
				*remedy = clip(v.WhatToDo(id))
			}
		}
	}
	return slices.DeleteFunc(list, func(p affectedPackage) bool { return len(p.within) == 0 && p.versions == "" })
}

// below is the range of a product that is affected without a version: all before
// the last that is fixed, or all.
func below(fixes []string, typ string) version.Range {
	text := "vers:" + typ + "/*"
	if n := len(fixes); n > 0 {
		text = "vers:" + typ + "/<" + url.PathEscape(fixes[n-1])
	}
	r, _ := version.ParseRange(text) // Its order is known and its version valid.
	return r
}

// part is the product itself, or the component that it is of another.
func part(doc *csaf.Document, id string) csaf.Product {
	p := doc.Products[id]
	for range 8 {
		if p.PURL.Type != "" || p.Part == "" {
			break
		}
		p = doc.Products[p.Part]
	}
	return p
}

// productOf returns where a product stands in the index, and its version if it
// is one.
func productOf(p csaf.Product) (key string, rule version.Rule, v string, ok bool) {
	key, v, why := releaseOf(bom.Component{PURL: p.PURL})
	rule, known := version.Of(p.PURL.Type)
	return key, rule, v, known && key != "" && (why == "" || why == NoVersion)
}

// fixesOf are the versions of a package that a document calls fixed, sorted.
func fixesOf(doc *csaf.Document, v *csaf.Vulnerability, of string) (list []string) {
	var order version.Rule
	for _, s := range []csaf.Status{csaf.Fixed, csaf.FirstFixed} {
		for _, id := range v.Status[s] {
			if key, rule, v, ok := productOf(part(doc, id)); ok && key == of && v != "" {
				list, order = append(list, v), rule
			}
		}
	}
	slices.SortFunc(list, func(a, b string) int { return order.Compare(a, b) })
	return list
}
