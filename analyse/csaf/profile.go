package csaf

import (
	"fmt"
	"slices"
)

// The reasons of VEX why a product is not affected; other flags give none.
var justifications = []string{
	"component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
	"vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist",
}

// profile checks what the document's category promises.
func (r *reader) profile() error {
	switch r.out.Category {
	case "csaf_security_advisory", "csaf_vex":
	default:
		return nil
	}
	if r.in.Tree == nil {
		return wrong("/product_tree", "a document of the category %s needs one", r.out.Category)
	}
	if len(r.out.Vulnerabilities) == 0 {
		return wrong("/vulnerabilities", "a document of the category %s needs one", r.out.Category)
	}
	for i, v := range r.out.Vulnerabilities {
		place := fmt.Sprintf("/vulnerabilities[%d]", i)
		if len(r.in.Vulnerabilities[i].Notes) == 0 {
			return wrong(place+"/notes", "a document of the category %s needs them", r.out.Category)
		}
		if r.out.Category != "csaf_vex" {
			if len(v.Status) == 0 {
				return wrong(place+"/product_status", "an advisory needs it")
			}
			continue
		}
		if err := r.vex(place, v); err != nil {
			return err
		}
	}
	return nil
}

// vex checks a weakness in a VEX: each decision says of what it is, and why or
// what to do.
func (r *reader) vex(place string, v Vulnerability) error {
	said := 0
	for _, s := range []Status{Fixed, KnownAffected, KnownNotAffected, UnderInvestigation} {
		said += len(v.Status[s])
	}
	if said == 0 {
		return wrong(place+"/product_status", "a VEX says fixed, known_affected, known_not_affected or under_investigation")
	}
	if len(v.Names()) == 0 {
		return wrong(place, "a VEX names the weakness by a cve or by ids")
	}
	for _, id := range v.Status[KnownNotAffected] {
		if label, text := v.WhyNot(id); label == "" && text == "" {
			return wrong(place, "it does not say why %q is not affected (flags, or threats of the category impact)", id)
		}
	}
	for _, id := range v.Status[KnownAffected] {
		if v.remedy(id) == "" {
			return wrong(place, "it does not say what to do about %q (remediations)", id)
		}
	}
	return nil
}

// WhyNot is why a product is not affected: a justification of VEX, a text, or
// both.
func (v Vulnerability) WhyNot(id string) (label, text string) {
	for _, f := range v.Flags {
		if slices.Contains(justifications, f.Label) && slices.Contains(f.Products, id) {
			label = f.Label
		}
	}
	for _, n := range v.Impacts {
		if slices.Contains(n.Products, id) {
			text = n.Text
		}
	}
	return label, text
}

// WhatToDo is the first remedy for a product, a fix of the vendor before others.
func (v Vulnerability) WhatToDo(id string) string {
	if text := v.of("vendor_fix", id); text != "" {
		return text
	}
	return v.remedy(id)
}

func (v Vulnerability) remedy(id string) string { return v.of("", id) }

func (v Vulnerability) of(category, id string) string {
	for _, n := range v.Remedy {
		if (category == "" || n.Category == category) && slices.Contains(n.Products, id) {
			return n.Text
		}
	}
	return ""
}
