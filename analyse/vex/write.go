package vex

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"noroshi/bom"
	"noroshi/fault"
)

// Document is the decisions about one system, to be written.
type Document struct {
	ID     string // an IRI
	Author string
	At     time.Time
	System Product
	// Statements are about components of the system, one component each; System in
	// them is not looked at. One without a component, and in OpenVEX all when no
	// system is named, stand for themselves.
	Statements []Statement
}

// Formats are those that are written.
var Formats = []string{"openvex", "cyclonedx", "csaf"}

// Write writes a document in one of the formats.
func Write(w io.Writer, format string, d Document) error {
	var out any
	switch format {
	case "openvex":
		out = d.openVEX()
	case "cyclonedx":
		out = d.cycloneDX()
	case "csaf":
		out = d.csaf()
	default:
		return fault.New(fault.Invalid, "vex.write", "%q is no format; there are %s", format, strings.Join(Formats, ", "))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return fault.Wrap("vex.write", e.Encode(out))
}

// purl is the package URL of a system; one that has none gets a generic one.
func (p Product) purl() bom.PURL {
	if p.PURL.Type != "" {
		return p.PURL
	}
	return bom.PURL{Type: "generic", Name: p.Name, Version: p.Version}
}

// ranged is the package URL with its condition.
func (p Product) ranged() string {
	u := p.PURL
	if p.Range != "" {
		q := map[string]string{"vers": p.Range}
		for k, v := range u.Qualifiers {
			if k != "vers" {
				q[k] = v
			}
		}
		u.Qualifiers = q
	}
	return u.String()
}

func (d Document) openVEX() openVEX {
	out := openVEX{Context: "https://openvex.dev/ns/v0.2.0", ID: d.ID, Author: d.Author, Timestamp: d.At, Version: 1, Statements: []openVEXStatement{}}
	for _, s := range d.Statements {
		part := openVEXProduct{ID: s.Product.ranged()}
		if d.System.said() {
			whole := openVEXProduct{ID: d.System.purl().String()}
			if s.Product.said() {
				whole.Subcomponents = []openVEXProduct{part}
			}
			part = whole
		}
		out.Statements = append(out.Statements, openVEXStatement{
			Vulnerability: openVEXWeakness{s.Weakness[0], s.Weakness[1:]}, Timestamp: s.At, Products: []openVEXProduct{part},
			Status: s.Status, Justification: s.Justification, Impact: s.Why, Action: s.Action,
		})
	}
	return out
}

// The words of CycloneDX for ours.
var (
	toState         = map[Status]string{Fixed: "resolved", Affected: "exploitable", UnderInvestigation: "in_triage", NotAffected: "not_affected"}
	toJustification = map[string]string{
		"component_not_present": "code_not_present", "vulnerable_code_not_present": "code_not_present", "vulnerable_code_not_in_execute_path": "code_not_reachable",
		"vulnerable_code_cannot_be_controlled_by_adversary": "code_not_reachable", "inline_mitigations_already_exist": "protected_by_mitigating_control",
	}
)

func (d Document) cycloneDX() cycloneDX {
	out := cycloneDX{BOMFormat: "CycloneDX", SpecVersion: "1.6", Version: 1, Vulnerabilities: []cdxWeakness{}}
	out.Metadata = cdxMetadata{Timestamp: d.At, Component: &cdxComponent{Type: "application", Ref: "system", Name: d.System.Name, Version: d.System.Version, PURL: d.System.PURL.String()}}
	if d.Author != "" {
		out.Metadata.Authors = []cdxName{{d.Author}}
	}
	seen := map[string]bool{}
	for _, s := range d.Statements {
		ref := s.Product.PURL.String()
		if !seen[ref] {
			seen[ref] = true
			out.Components = append(out.Components, cdxComponent{Type: "library", Ref: ref, Name: s.Product.PURL.FullName(), Version: s.Product.PURL.Version, PURL: ref})
		}
		w := cdxWeakness{ID: s.Weakness[0], Affects: []cdxAffects{{Ref: ref}}}
		for _, alias := range s.Weakness[1:] {
			family, _, _ := strings.Cut(alias, "-")
			w.References = append(w.References, cdxReference{alias, cdxName{family}})
		}
		if s.Product.Range != "" {
			w.Affects[0].Versions = []cdxVersion{{Range: s.Product.Range}}
		}
		w.Analysis = &cdxAnalysis{State: toState[s.Status], Justification: toJustification[s.Justification], Detail: cmp.Or(s.Why, s.Action), LastUpdated: s.At}
		out.Vulnerabilities = append(out.Vulnerabilities, w)
	}
	return out
}

type object = map[string]any

// csaf writes the profile VEX. CSAF has one time for a document, so the times of
// its statements are lost.
func (d Document) csaf() object {
	at := d.At.UTC().Format(time.RFC3339)
	version := object{"date": at, "number": "1", "summary": "Decisions as they are."}
	products := []object{{"product_id": "system", "name": cmp.Or(strings.TrimSpace(d.System.Name+" "+d.System.Version), d.System.purl().String()), "product_identification_helper": object{"purl": d.System.purl().String()}}}
	var relations, weaknesses []object
	ids := map[string]string{}
	of := map[string]object{}
	for _, s := range d.Statements {
		purl := s.Product.ranged()
		id := ids[purl]
		if id == "" {
			id = fmt.Sprintf("part-%d", len(ids)+1)
			ids[purl] = id
			products = append(products, object{"product_id": id + "-alone", "name": purl, "product_identification_helper": object{"purl": purl}})
			relations = append(relations, object{"category": "default_component_of", "product_reference": id + "-alone", "relates_to_product_reference": "system",
				"full_product_name": object{"product_id": id, "name": purl + " in " + d.System.Name}})
		}
		w := of[s.Weakness[0]]
		if w == nil {
			w = object{"notes": []object{{"category": "summary", "text": s.Weakness[0]}}, "product_status": map[string][]string{}}
			name(w, s.Weakness)
			of[s.Weakness[0]] = w
			weaknesses = append(weaknesses, w)
		}
		decide(w, s, id)
	}
	return object{
		"document": object{"category": "csaf_vex", "csaf_version": "2.0", "title": "Weaknesses in " + cmp.Or(d.System.Name, "a system"),
			"notes":     []object{{"category": "description", "text": "Which known weaknesses hit the system, and which do not."}},
			"publisher": object{"category": "user", "name": cmp.Or(d.Author, "unknown"), "namespace": d.ID},
			"tracking":  object{"id": d.ID, "status": "final", "version": "1", "current_release_date": at, "initial_release_date": at, "revision_history": []object{version}}},
		"product_tree":    object{"full_product_names": products, "relationships": relations},
		"vulnerabilities": weaknesses,
	}
}

// name says which weakness it is.
func name(w object, names []string) {
	var ids []object
	for _, n := range names {
		if strings.HasPrefix(n, "CVE-") && w["cve"] == nil {
			w["cve"] = n
			continue
		}
		ids = append(ids, object{"system_name": "alias", "text": n})
	}
	if ids != nil {
		w["ids"] = ids
	}
}

// decide adds one decision to a weakness.
func decide(w object, s Statement, id string) {
	status := map[Status]string{Affected: "known_affected", NotAffected: "known_not_affected", Fixed: "fixed", UnderInvestigation: "under_investigation"}[s.Status]
	all := w["product_status"].(map[string][]string)
	if !slices.Contains(all[status], id) {
		all[status] = append(all[status], id)
	}
	add := func(key string, o object) {
		o["product_ids"] = []string{id}
		list, _ := w[key].([]object)
		w[key] = append(list, o)
	}
	switch s.Status {
	case NotAffected:
		if s.Justification != "" {
			add("flags", object{"label": s.Justification})
		}
		if s.Why != "" {
			add("threats", object{"category": "impact", "details": s.Why})
		}
	case Affected:
		if s.Action != "" {
			add("remediations", object{"category": "mitigation", "details": s.Action})
		} else {
			add("remediations", object{"category": "none_available", "details": "Nothing is known to do about it yet."})
		}
	}
}
