// Package csaf reads security advisories in CSAF 2.0 (OASIS), the form in which
// vendors say which of their products a weakness hits, which it does not, and
// what to do. It checks what a wrong document would mislead by and refuses it
// with its place; analyse/affected takes advisories from it, analyse/vex
// decisions.
package csaf

import (
	"time"

	"noroshi/bom"
)

// Document is one advisory.
type Document struct {
	ID, Title, Category, Publisher string
	Status, Version                string
	Released                       time.Time // of this version
	Products                       map[string]Product
	Vulnerabilities                []Vulnerability
}

// Product is one product that the document knows by its id.
type Product struct {
	Name  string
	PURL  bom.PURL // the zero value when it has none
	CPE   string
	Range string // of versions (vers:…), when it stands for more than one
	// Part is the component and Of the product that it is part of, where a
	// relationship made this one.
	Part, Of string
}

// Status is what a document says of a product, as CSAF calls it.
type Status string

// The statuses.
const (
	FirstAffected      Status = "first_affected"
	FirstFixed         Status = "first_fixed"
	Fixed              Status = "fixed"
	KnownAffected      Status = "known_affected"
	KnownNotAffected   Status = "known_not_affected"
	LastAffected       Status = "last_affected"
	Recommended        Status = "recommended"
	UnderInvestigation Status = "under_investigation"
)

// Vulnerability is what the document says of one weakness. Products are named by
// their ids; groups have been resolved.
type Vulnerability struct {
	CVE     string
	IDs     []string // in other systems
	Title   string
	Status  map[Status][]string
	Flags   []Flag
	Impacts []Note // why it does not hit: threats of the category impact
	Remedy  []Note
	Vectors []string // CVSS
}

// Flag is a reason in one word why a product is not affected.
type Flag struct {
	Label    string
	Products []string
}

// Note is a text about products; without any it is about all.
type Note struct {
	Category, Text string
	Products       []string
}

// Names are all names of the weakness.
func (v Vulnerability) Names() (names []string) {
	if v.CVE != "" {
		names = append(names, v.CVE)
	}
	return append(names, v.IDs...)
}
