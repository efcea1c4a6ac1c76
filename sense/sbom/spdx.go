package sbom

import (
	"cmp"
	"strings"

	"noroshi/bom"
)

// spdxPackage is a package of SPDX 2.x.
type spdxPackage struct {
	ID       string `json:"SPDXID"`
	Name     string `json:"name"`
	Version  string `json:"versionInfo"`
	Supplier string `json:"supplier"`
	// What somebody concluded counts before what the package declares.
	Concluded string    `json:"licenseConcluded"`
	Declared  string    `json:"licenseDeclared"`
	Refs      []spdxRef `json:"externalRefs"`
	Sums      []spdxSum `json:"checksums"`
	hashes    []Hash    // of tag-value
}

type spdxSum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

// spdxFile is a file of SPDX 2.x.
type spdxFile struct {
	ID   string    `json:"SPDXID"`
	Name string    `json:"fileName"`
	Sums []spdxSum `json:"checksums"`
}

func (b *builder) spdxFile(f *spdxFile) error {
	out := File{Path: f.Name, Place: f.ID}
	for _, s := range f.Sums {
		out.Hashes = append(out.Hashes, Hash{s.Algorithm, s.Value})
	}
	return b.file(out)
}

type spdxRef struct {
	Type    string `json:"referenceType"`
	Locator string `json:"referenceLocator"`
}

func (b *builder) spdxPackage(p *spdxPackage) error {
	c := bom.Component{Name: p.Name, Version: p.Version, Supplier: who(p.Supplier), License: cmp.Or(license(p.Concluded), license(p.Declared))}
	for _, r := range p.Refs {
		switch {
		case r.Type == "purl" || strings.HasSuffix(r.Type, "/purl"):
			c = identified(c, r.Locator)
		case strings.HasPrefix(r.Type, "cpe23") || strings.HasPrefix(r.Type, "cpe22"):
			c.CPE = r.Locator
		}
	}
	for _, s := range p.Sums {
		p.hashes = append(p.hashes, Hash{s.Algorithm, s.Value})
	}
	b.hashes(c, p.hashes)
	return b.add(p.ID, c)
}

// who is the name of "Organization: NAME (mail)".
func who(s string) string {
	s = strings.TrimSpace(s)
	if s == "NOASSERTION" || s == "NONE" {
		return ""
	}
	if kind, name, ok := strings.Cut(s, ":"); ok && (kind == "Organization" || kind == "Person" || kind == "Tool") {
		s = strings.TrimSpace(name)
	}
	name, _, _ := strings.Cut(s, " (")
	return name
}

// spdxRelationship is one of SPDX's relations between two elements.
type spdxRelationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

// spdxDocument is the reference that every document has to itself.
const spdxDocument = "SPDXRef-DOCUMENT"

// relationship keeps the relations that say what needs what. Some are written
// from the side that is needed.
func (b *builder) relationship(r *spdxRelationship) error {
	switch r.Type {
	case "DESCRIBES", "DEPENDS_ON", "CONTAINS", "DYNAMIC_LINK", "STATIC_LINK", "HAS_PREREQUISITE":
		return b.link(r.From, r.To)
	case "DESCRIBED_BY", "DEPENDENCY_OF", "CONTAINED_BY", "BUILD_DEPENDENCY_OF", "DEV_DEPENDENCY_OF",
		"OPTIONAL_DEPENDENCY_OF", "PROVIDED_DEPENDENCY_OF", "RUNTIME_DEPENDENCY_OF", "TEST_DEPENDENCY_OF", "PREREQUISITE_FOR":
		return b.link(r.To, r.From)
	}
	return nil
}

// spdxCreation says who made the document, and when.
type spdxCreation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

func (d *document) creation() error {
	var c spdxCreation
	if err := d.dec.Decode(&c); err != nil {
		return err
	}
	d.sys.Created = c.Created
	for _, x := range c.Creators {
		d.author(who(x))
	}
	return nil
}

// describeSPDX makes the document the root. What it describes is the system: one
// package gives it its version, of several only the document has a name.
func (b *builder) describeSPDX(name string, describes []string) {
	b.root = spdxDocument
	b.sys.Name = name
	for _, ref := range describes {
		b.links = append(b.links, link{spdxDocument, ref})
	}
	describes = nil
	for _, l := range b.links {
		if l.from == spdxDocument {
			describes = append(describes, l.to)
		}
	}
	if i, ok := b.one(describes); ok {
		c := b.sys.Components[i]
		b.sys.Name, b.sys.Version, b.sys.PURL = c.Name, c.Version, c.PURL
	}
}

// one is the only component among references.
func (b *builder) one(refs []string) (at int, ok bool) {
	for _, r := range refs {
		i, known := b.index[r]
		if !known || ok && i != at {
			return 0, false
		}
		at, ok = i, true
	}
	return at, ok
}
