package vex

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"noroshi/analyse/csaf"
	"noroshi/analyse/feed"
	"noroshi/bom"
	"noroshi/fault"
)

// The limits of one file.
const (
	maxBytes      = 64 << 20
	maxStatements = 1_000_000
	maxText       = 4000
)

// Report is what became of the statements of a file.
type Report struct {
	File       string `json:"file,omitempty"`
	Format     string `json:"format"`
	Statements int    `json:"statements"`
	feed.Problems
}

// Load reads a file of decisions.
func (d *Decisions) Load(name string) (r Report, err error) {
	err = feed.Stream(name, maxBytes, func(in io.Reader) error {
		b, err := io.ReadAll(in)
		if err == nil {
			r, err = d.Read(b)
		}
		return err
	})
	r.File = name
	return r, err
}

// Read takes the decisions of one document; its keys tell the format. A
// statement that decides nothing is put aside with its place.
func (d *Decisions) Read(b []byte) (Report, error) {
	var head struct {
		Context   json.RawMessage `json:"@context"`
		BOMFormat string          `json:"bomFormat"`
		Document  json.RawMessage `json:"document"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return Report{}, fault.As(fault.Invalid, "vex.read", err, "it is no JSON: %v", err)
	}
	in := reader{to: d}
	var err error
	switch {
	case bytes.Contains(head.Context, []byte("openvex.dev/ns")):
		in.report.Format = "OpenVEX"
		err = in.openVEX(b)
	case head.BOMFormat == "CycloneDX":
		in.report.Format = "CycloneDX"
		err = in.cycloneDX(b)
	case head.Document != nil:
		in.report.Format = "CSAF"
		err = in.csaf(b)
	default:
		err = fault.New(fault.Invalid, "vex.read", "it is neither OpenVEX (@context) nor CycloneDX (bomFormat) nor CSAF (document)")
	}
	return in.report, err
}

// reader takes statements of one document.
type reader struct {
	to     *Decisions
	report Report
}

func (r *reader) add(place string, s Statement) error {
	if r.report.Statements+r.report.Refused >= maxStatements {
		return fault.New(fault.TooLarge, "vex.read", "it has more than %d statements", maxStatements)
	}
	s.Why, s.Action = clip(s.Why), clip(s.Action)
	if err := r.to.Add(s); err != nil {
		r.report.Refuse(place, err)
		return nil
	}
	r.report.Statements++
	return nil
}

// csaf takes what a vendor decided about its products.
func (r *reader) csaf(b []byte) error {
	doc, err := csaf.Read(b)
	if err != nil {
		return err
	}
	means := map[csaf.Status]Status{
		csaf.KnownAffected: Affected, csaf.FirstAffected: Affected, csaf.LastAffected: Affected, csaf.KnownNotAffected: NotAffected,
		csaf.Fixed: Fixed, csaf.FirstFixed: Fixed, csaf.UnderInvestigation: UnderInvestigation,
	}
	for i, v := range doc.Vulnerabilities {
		for status, ids := range v.Status {
			to, ok := means[status]
			if !ok {
				continue
			}
			for _, id := range ids {
				s := Statement{Weakness: v.Names(), Status: to, At: doc.Released, Author: doc.Publisher, Document: doc.ID}
				s.Product, s.System = productOf(doc, id)
				switch to {
				case NotAffected:
					s.Justification, s.Why = v.WhyNot(id)
				case Affected:
					s.Action = v.WhatToDo(id)
				}
				if err := r.add(fmt.Sprintf("/vulnerabilities[%d]/product_status/%s %q", i, status, id), s); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// productOf is a product of a CSAF document, and the one that it is part of.
func productOf(doc *csaf.Document, id string) (p, of Product) {
	x := doc.Products[id]
	if x.Of != "" && x.PURL.Type == "" {
		p, _ = productOf(doc, x.Part)
		of, _ = productOf(doc, x.Of)
		return p, of
	}
	return Product{PURL: x.PURL, Range: x.Range, Name: x.Name}, Product{}
}

// openVEX is a document of OpenVEX, with what of its older forms is met.
type openVEX struct {
	Context    string             `json:"@context"`
	ID         string             `json:"@id"`
	Author     string             `json:"author"`
	Timestamp  time.Time          `json:"timestamp,omitzero"`
	Version    int                `json:"version"`
	Statements []openVEXStatement `json:"statements"`
}

type openVEXStatement struct {
	Vulnerability openVEXWeakness  `json:"vulnerability"`
	Timestamp     time.Time        `json:"timestamp,omitzero"`
	Updated       time.Time        `json:"last_updated,omitzero"`
	Products      []openVEXProduct `json:"products"`
	Status        Status           `json:"status"`
	Justification string           `json:"justification,omitempty"`
	Impact        string           `json:"impact_statement,omitempty"`
	Action        string           `json:"action_statement,omitempty"`
}

type openVEXWeakness struct {
	Name    string   `json:"name"`
	Aliases []string `json:"aliases,omitempty"`
}

// UnmarshalJSON also reads the form that is only a name.
func (w *openVEXWeakness) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		return json.Unmarshal(b, &w.Name)
	}
	type plain openVEXWeakness
	return json.Unmarshal(b, (*plain)(w))
}

type openVEXProduct struct {
	ID          string `json:"@id,omitempty"`
	Identifiers struct {
		PURL string `json:"purl,omitempty"`
	} `json:"identifiers,omitzero"`
	Subcomponents []openVEXProduct `json:"subcomponents,omitempty"`
}

// UnmarshalJSON also reads the form that is only an id.
func (p *openVEXProduct) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		return json.Unmarshal(b, &p.ID)
	}
	type plain openVEXProduct
	return json.Unmarshal(b, (*plain)(p))
}

// product is by package URL where there is one; another id may be the name of a
// system.
func (p openVEXProduct) product() Product {
	for _, s := range []string{p.Identifiers.PURL, p.ID} {
		if !strings.HasPrefix(s, "pkg:") {
			continue
		}
		if u, err := bom.ParsePURL(s); err == nil {
			return Product{PURL: u}
		}
	}
	if strings.HasPrefix(p.ID, "pkg:") {
		return Product{} // One that cannot be read matches nothing.
	}
	return Product{Name: p.ID}
}

func (r *reader) openVEX(b []byte) error {
	var d openVEX
	if err := json.Unmarshal(b, &d); err != nil {
		return fault.As(fault.Invalid, "vex.openvex", err, "it is no OpenVEX document: %v", err)
	}
	for i, x := range d.Statements {
		s := Statement{Weakness: append([]string{x.Vulnerability.Name}, x.Vulnerability.Aliases...), Status: x.Status, Justification: x.Justification,
			Why: x.Impact, Action: x.Action, At: d.Timestamp, Author: d.Author, Document: d.ID}
		for _, t := range []time.Time{x.Timestamp, x.Updated} {
			if !t.IsZero() {
				s.At = t
			}
		}
		for _, p := range x.Products {
			list := p.Subcomponents
			s.System = Product{}
			if len(list) > 0 {
				if s.System = p.product(); !s.System.said() {
					list = []openVEXProduct{{}} // Put aside: of which system it is cannot be told.
				}
			} else {
				list = []openVEXProduct{p}
			}
			for _, c := range list {
				s.Product = c.product()
				if s.System.said() && !s.Product.said() {
					s.System = Product{} // Nor may one without a component hold for all of it.
				}
				if err := r.add(fmt.Sprintf("statements[%d]", i), s); err != nil {
					return err
				}
			}
		}
		if len(x.Products) == 0 {
			r.report.Refuse(fmt.Sprintf("statements[%d]", i), fault.New(fault.Invalid, "vex.openvex", "it names no product"))
		}
	}
	return nil
}

func clip(s string) string {
	if len(s) > maxText {
		return strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}
