// Package vex keeps what was decided about weaknesses in products (VEX): that
// one does or does not hit, is fixed or is looked into, and why. It reads
// OpenVEX, CycloneDX and CSAF, writes all three, and answers for a hit which
// decision counts. A decision lasts for as long as its product matches: without
// a version for all versions, now and later; with one until the version changes;
// with a range (vers) as long as the version lies in it.
package vex

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"noroshi/analyse/affected/version"
	"noroshi/bom"
	"noroshi/fault"
)

// Status is what was decided.
type Status string

// The statuses, as OpenVEX calls them.
const (
	Affected           Status = "affected"
	UnderInvestigation Status = "under_investigation"
	Fixed              Status = "fixed"
	NotAffected        Status = "not_affected"
)

// caution orders statuses: of two decisions of one time the earlier here counts.
var caution = []Status{Affected, UnderInvestigation, Fixed, NotAffected}

// Justifications are the reasons in one word why a product is not affected.
var Justifications = []string{
	"component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
	"vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist",
}

// Product is what a decision is about. Its version, or its range, is the
// condition under which the decision holds.
type Product struct {
	PURL    bom.PURL
	Range   string // vers:…
	Name    string // of a system that has no package URL
	Version string
	within  version.Range
}

// Statement is one decision about one product.
type Statement struct {
	Weakness []string // its names
	// System is the product that Product is part of; the zero value when the
	// decision holds wherever the product is.
	System        Product
	Product       Product
	Status        Status
	Justification string
	Why           string // why it is not affected, in words
	Action        string // what to do
	At            time.Time
	Author        string
	Document      string
	record        string
}

// Hit is what is asked about: a weakness in a component of a system.
type Hit struct {
	Names     []string
	Component bom.PURL
	System    Product
}

// Decision is the statement that counts, and those that say otherwise: of
// another author, or of the same time.
type Decision struct {
	Status        Status    `json:"status"`
	Justification string    `json:"justification,omitempty"`
	Why           string    `json:"why,omitempty"`
	Action        string    `json:"action,omitempty"`
	At            time.Time `json:"at"`
	Author        string    `json:"author,omitempty"`
	Document      string    `json:"document,omitempty"`
	Against       []string  `json:"against,omitempty"`
	// Record is what the caller keeps the document under, and From the organisation
	// that decided, where decisions are kept.
	Record string `json:"record,omitempty"`
	From   string `json:"from,omitempty"`
}

// Silent tells whether the hit needs nothing done.
func (d Decision) Silent() bool { return d.Status == NotAffected || d.Status == Fixed }

// Decisions are all that were read. The zero value is empty and usable.
type Decisions struct {
	Record string // what is read from now on belongs to it
	byName map[string][]*Statement
	n      int
}

// Len is how many there are.
func (d *Decisions) Len() int { return d.n }

// Add takes a statement in, or says why it decides nothing.
func (d *Decisions) Add(s Statement) error {
	if err := s.check(); err != nil {
		return err
	}
	s.record = d.Record
	if d.byName == nil {
		d.byName = map[string][]*Statement{}
	}
	for _, n := range s.Weakness {
		d.byName[n] = append(d.byName[n], &s)
	}
	d.n++
	return nil
}

// check refuses what must not hide a hit.
func (s *Statement) check() (err error) {
	refuse := func(why string, args ...any) error { return fault.New(fault.Invalid, "vex.statement", why, args...) }
	if len(s.Weakness) == 0 || slices.Contains(s.Weakness, "") {
		return refuse("it names no weakness")
	}
	for _, p := range []*Product{&s.Product, &s.System} {
		if p.Range == "" {
			p.Range = p.PURL.Qualifiers["vers"]
		}
		if p.Range == "" {
			continue
		}
		if p.within, err = version.ParseRange(p.Range); err != nil {
			return err
		}
	}
	if !s.Product.said() && !s.System.said() {
		return refuse("its product has neither a package URL nor a name, and cannot be told from others")
	}
	switch s.Status {
	case NotAffected:
		if s.Justification == "" && s.Why == "" {
			return refuse("it does not say why the product is not affected")
		}
	case Fixed:
		if !s.Product.conditional() && !s.System.conditional() {
			return refuse("it says fixed, and not in which version")
		}
	case Affected, UnderInvestigation:
	default:
		return refuse("%q is no status of VEX", s.Status)
	}
	if s.Justification != "" && !slices.Contains(Justifications, s.Justification) {
		return refuse("%q is no justification of VEX", s.Justification)
	}
	return nil
}

func (p Product) said() bool { return p.PURL.Type != "" || p.Name != "" }

func (p Product) conditional() bool { return p.Range != "" || p.PURL.Version != "" || p.Version != "" }

// maxAgainst is how many statements that say otherwise are told.
const maxAgainst = 20

// Of returns the decision about a hit: the newest that matches.
func (d *Decisions) Of(h Hit) (Decision, bool) {
	var all []*Statement
	met := map[*Statement]bool{} // One stands under each of its names.
	for _, n := range h.Names {
		for _, s := range d.byName[n] {
			if !met[s] && s.matches(h) {
				met[s] = true
				all = append(all, s)
			}
		}
	}
	if len(all) == 0 {
		return Decision{}, false
	}
	slices.SortStableFunc(all, func(a, b *Statement) int {
		if c := b.At.Compare(a.At); c != 0 {
			return c
		}
		return slices.Index(caution, a.Status) - slices.Index(caution, b.Status)
	})
	s := all[0]
	out := Decision{Status: s.Status, Justification: s.Justification, Why: s.Why, Action: s.Action, At: s.At, Author: s.Author, Document: s.Document, Record: s.record}
	for _, other := range all[1:] {
		if other.Author != s.Author || other.At.Equal(s.At) {
			out.Oppose(Decision{Status: other.Status, At: other.At, Author: other.Author, Document: other.Document})
		}
	}
	return out, true
}

// Oppose notes a decision that counts less, when it says otherwise.
func (d *Decision) Oppose(other Decision) {
	if len(d.Against) < maxAgainst && other.Status != d.Status {
		d.Against = append(d.Against, string(other.Status)+" "+other.At.UTC().Format(time.DateOnly)+" "+strings.TrimSpace(other.Author+" "+other.Document))
	}
}

// matches says whether a statement is about a hit. A product that is not said to
// be part of another may be the component or the whole system.
func (s *Statement) matches(h Hit) bool {
	if !s.System.said() {
		return s.Product.component(h.Component) || s.Product.system(h.System)
	}
	return s.System.system(h.System) && (!s.Product.said() || s.Product.component(h.Component))
}

// component says whether a package is this product, in a version that it holds
// for.
func (p Product) component(c bom.PURL) bool {
	if p.PURL.Type == "" || c.Type == "" || p.PURL.Package() != c.Package() {
		return false
	}
	for k, v := range p.PURL.Qualifiers {
		if k != "vers" && c.Qualifiers[k] != v {
			return false
		}
	}
	return p.holds(p.PURL.Version, c.Version, c.Type)
}

// system says whether a system is this product: by package URL where both have
// one, else by name.
func (p Product) system(s Product) bool {
	if p.PURL.Type != "" && s.PURL.Type != "" {
		return p.component(s.PURL)
	}
	return s.Name != "" && (p.Name == s.Name || p.PURL.FullName() == s.Name) && p.holds(cmp.Or(p.Version, p.PURL.Version), s.Version, "")
}

// holds checks the condition: the version, or the range.
func (p Product) holds(want, got, typ string) bool {
	if typ == "golang" {
		want, got = strings.TrimPrefix(want, "v"), strings.TrimPrefix(got, "v")
	}
	return (want == "" || want == got) && (p.Range == "" || p.within.Contains(got))
}
