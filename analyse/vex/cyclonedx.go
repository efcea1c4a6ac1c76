package vex

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"noroshi/bom"
	"noroshi/fault"
)

// cycloneDX is what is read and written of CycloneDX for decisions.
type cycloneDX struct {
	BOMFormat       string         `json:"bomFormat"`
	SpecVersion     string         `json:"specVersion"`
	Serial          string         `json:"serialNumber,omitempty"`
	Version         int            `json:"version"`
	Metadata        cdxMetadata    `json:"metadata"`
	Components      []cdxComponent `json:"components,omitempty"`
	Vulnerabilities []cdxWeakness  `json:"vulnerabilities"`
}

type cdxMetadata struct {
	Timestamp time.Time     `json:"timestamp,omitzero"`
	Authors   []cdxName     `json:"authors,omitempty"`
	Supplier  *cdxName      `json:"supplier,omitempty"`
	Component *cdxComponent `json:"component,omitempty"`
}

type cdxName struct {
	Name string `json:"name"`
}

type cdxComponent struct {
	Type       string         `json:"type"`
	Ref        string         `json:"bom-ref,omitempty"`
	Name       string         `json:"name"`
	Version    string         `json:"version,omitempty"`
	PURL       string         `json:"purl,omitempty"`
	Components []cdxComponent `json:"components,omitempty"`
}

type cdxWeakness struct {
	ID         string         `json:"id"`
	References []cdxReference `json:"references,omitempty"`
	Updated    time.Time      `json:"updated,omitzero"`
	Analysis   *cdxAnalysis   `json:"analysis,omitempty"`
	Affects    []cdxAffects   `json:"affects"`
}

type cdxReference struct {
	ID     string  `json:"id"`
	Source cdxName `json:"source"`
}

type cdxAnalysis struct {
	State         string    `json:"state"`
	Justification string    `json:"justification,omitempty"`
	Response      []string  `json:"response,omitempty"`
	Detail        string    `json:"detail,omitempty"`
	FirstIssued   time.Time `json:"firstIssued,omitzero"`
	LastUpdated   time.Time `json:"lastUpdated,omitzero"`
}

type cdxAffects struct {
	Ref      string       `json:"ref"`
	Versions []cdxVersion `json:"versions,omitempty"`
}

type cdxVersion struct {
	Version string `json:"version,omitempty"`
	Range   string `json:"range,omitempty"`
	Status  string `json:"status,omitempty"`
}

var (
	cdxStates = map[string]Status{
		"resolved": Fixed, "resolved_with_pedigree": Fixed, "exploitable": Affected, "in_triage": UnderInvestigation,
		"false_positive": NotAffected, "not_affected": NotAffected,
	}
	cdxJustifications = map[string]string{
		"code_not_present": "vulnerable_code_not_present", "code_not_reachable": "vulnerable_code_not_in_execute_path",
		"requires_configuration": "vulnerable_code_not_in_execute_path", "requires_dependency": "vulnerable_code_not_in_execute_path",
		"requires_environment": "vulnerable_code_not_in_execute_path", "protected_by_compiler": "inline_mitigations_already_exist",
		"protected_at_runtime": "inline_mitigations_already_exist", "protected_at_perimeter": "inline_mitigations_already_exist",
		"protected_by_mitigating_control": "inline_mitigations_already_exist",
	}
)

func (r *reader) cycloneDX(b []byte) error {
	var d cycloneDX
	if err := json.Unmarshal(b, &d); err != nil {
		return fault.As(fault.Invalid, "vex.cyclonedx", err, "it is no CycloneDX document: %v", err)
	}
	refs := map[string]Product{}
	var system Product
	if c := d.Metadata.Component; c != nil {
		system = c.product()
		refs[cmp.Or(c.Ref, c.PURL)] = system
		gather(refs, c.Components, 1)
	}
	gather(refs, d.Components, 1)
	author := ""
	if len(d.Metadata.Authors) > 0 {
		author = d.Metadata.Authors[0].Name
	} else if d.Metadata.Supplier != nil {
		author = d.Metadata.Supplier.Name
	}
	for i, x := range d.Vulnerabilities {
		if x.Analysis == nil {
			continue // It says that there is a weakness, and decides nothing.
		}
		s := x.statement()
		s.Author, s.Document = author, d.Serial
		if s.At.IsZero() {
			s.At = d.Metadata.Timestamp
		}
		for j, a := range x.Affects {
			place := fmt.Sprintf("vulnerabilities[%d].affects[%d]", i, j)
			p, ok := resolve(refs, a.Ref)
			if !ok {
				r.report.Refuse(place, fault.New(fault.Invalid, "vex.cyclonedx", "what %q refers to is not in the file, and it is no package URL", clip(a.Ref)))
				continue
			}
			// What stands in a system's document is decided for this system, whatever
			// its version: the component's is the condition.
			s.Product, s.System = p, system
			s.System.Version, s.System.PURL.Version = "", ""
			if p.Name == system.Name && p.PURL.String() == system.PURL.String() {
				s.Product, s.System = Product{}, p
			}
			if err := r.versions(place, s, a.Versions); err != nil {
				return err
			}
		}
	}
	return nil
}

// statement is a weakness without its products.
func (x *cdxWeakness) statement() Statement {
	s := Statement{Weakness: []string{x.ID}, Status: cdxStates[x.Analysis.State], At: x.Updated}
	for _, ref := range x.References {
		s.Weakness = append(s.Weakness, ref.ID)
	}
	for _, t := range []time.Time{x.Analysis.FirstIssued, x.Analysis.LastUpdated} {
		if !t.IsZero() {
			s.At = t
		}
	}
	switch s.Status {
	case NotAffected:
		s.Justification, s.Why = cdxJustifications[x.Analysis.Justification], x.Analysis.Detail
		if x.Analysis.State == "false_positive" && s.Why == "" {
			s.Why = "a false positive"
		}
	case "":
		s.Status = Status(x.Analysis.State) // Refused by its name.
	default:
		s.Action = x.Analysis.Detail
		if s.Action == "" {
			s.Action = strings.Join(x.Analysis.Response, ", ")
		}
	}
	return s
}

// versions adds the statement for each version that it is limited to.
func (r *reader) versions(place string, s Statement, list []cdxVersion) error {
	if len(list) == 0 {
		return r.add(place, s)
	}
	for _, v := range list {
		of := s
		p := &of.Product
		if !p.said() {
			p = &of.System
		}
		p.PURL.Version, p.Version, p.Range = v.Version, v.Version, v.Range
		if v.Status == "unaffected" {
			of.Status, of.Action = NotAffected, ""
			if of.Why == "" {
				of.Why = "this version is not among those that are affected"
			}
		}
		if err := r.add(place, of); err != nil {
			return err
		}
	}
	return nil
}

func (c *cdxComponent) product() Product {
	p := Product{Name: c.Name, Version: c.Version}
	if u, err := bom.ParsePURL(c.PURL); err == nil {
		p.PURL = u
	}
	return p
}

// gather notes what references mean.
func gather(refs map[string]Product, list []cdxComponent, depth int) {
	for i := range list {
		c := &list[i]
		if ref := cmp.Or(c.Ref, c.PURL); ref != "" {
			refs[ref] = c.product()
		}
		if depth < 64 {
			gather(refs, c.Components, depth+1)
		}
	}
}

// resolve finds what a reference means: something in the file, or a package URL,
// perhaps at the end of a link into another file (urn:cdx:…#ref).
func resolve(refs map[string]Product, ref string) (Product, bool) {
	if p, ok := refs[ref]; ok && ref != "" {
		return p, true
	}
	if strings.HasPrefix(ref, "urn:cdx:") {
		_, ref, _ = strings.Cut(ref, "#")
	}
	u, err := bom.ParsePURL(ref)
	return Product{PURL: u}, err == nil
}
