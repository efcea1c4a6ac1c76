package sbom

import (
	"strings"

	"noroshi/bom"
	"noroshi/fault"
)

// cdxComponent is a component of CycloneDX, in JSON and XML alike.
type cdxComponent struct {
	Type      string `json:"type" xml:"type,attr"`
	Ref       string `json:"bom-ref" xml:"bom-ref,attr"`
	Group     string `json:"group" xml:"group"`
	Name      string `json:"name" xml:"name"`
	Version   string `json:"version" xml:"version"`
	PURL      string `json:"purl" xml:"purl"`
	CPE       string `json:"cpe" xml:"cpe"`
	Publisher string `json:"publisher" xml:"publisher"`
	Author    string `json:"author" xml:"author"`
	Supplier  struct {
		Name string `json:"name" xml:"name"`
	} `json:"supplier" xml:"supplier"`
	Licenses   []cdxLicense   `json:"licenses" xml:"-"`
	XMLNamed   []namedLicense `json:"-" xml:"licenses>license"`
	Expression string         `json:"-" xml:"licenses>expression"`
	Hashes     []Hash         `json:"hashes" xml:"hashes>hash"`
	Components []cdxComponent `json:"components" xml:"components>component"`
}

func (c *cdxComponent) plain() bom.Component {
	supplier := c.Supplier.Name
	for _, other := range []string{c.Publisher, c.Author} {
		if supplier == "" {
			supplier = other
		}
	}
	name := c.Name
	if c.Group != "" {
		name = c.Group + "/" + c.Name
	}
	return identified(bom.Component{Name: name, Version: c.Version, Supplier: supplier, CPE: c.CPE, License: c.license()}, c.PURL)
}

func (c *cdxComponent) license() string {
	if len(c.Licenses)+len(c.XMLNamed) == 0 {
		return license(c.Expression)
	}
	all := []string{c.Expression}
	for _, l := range c.Licenses {
		all = append(all, l.License.text(), l.Expression)
	}
	for _, l := range c.XMLNamed {
		all = append(all, l.text())
	}
	return license(all...)
}

// component takes a component and those inside it.
func (b *builder) component(c *cdxComponent) error { return b.nested(c, 1) }

func (b *builder) nested(c *cdxComponent, depth int) error {
	if depth > maxDepth {
		return fault.New(fault.Invalid, "sbom.read", "components are nested deeper than %d", maxDepth)
	}
	ref := c.Ref
	if ref == "" {
		ref = c.PURL
	}
	plain := c.plain()
	if err := b.add(ref, plain); err != nil {
		return err
	}
	b.hashes(plain, c.Hashes)
	if c.Type == "file" {
		if err := b.file(File{Path: c.Name, Place: "bom-ref " + ref, Hashes: c.Hashes}); err != nil {
			return err
		}
	}
	for i := range c.Components {
		inner := &c.Components[i]
		if err := b.nested(inner, depth+1); err != nil {
			return err
		}
		// What stands inside a component is part of it.
		if ref != "" && inner.Ref != "" {
			if err := b.link(ref, inner.Ref); err != nil {
				return err
			}
		}
	}
	return nil
}

// cdxDependency says what one reference needs.
type cdxDependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

func (b *builder) dependency(d *cdxDependency) error {
	for _, to := range d.DependsOn {
		if err := b.link(d.Ref, to); err != nil {
			return err
		}
	}
	return nil
}

// cdxMetadata says what the document is of.
type cdxMetadata struct {
	Timestamp string       `json:"timestamp" xml:"timestamp"`
	Component cdxComponent `json:"component" xml:"component"`
	Authors   []struct {
		Name string `json:"name" xml:"name"`
	} `json:"authors" xml:"authors>author"`
	Manufacturer struct {
		Name string `json:"name" xml:"name"`
	} `json:"manufacturer" xml:"manufacturer"`
	Supplier struct {
		Name string `json:"name" xml:"name"`
	} `json:"supplier" xml:"supplier"`
}

func (d *document) metadata() error {
	var m cdxMetadata
	if err := d.dec.Decode(&m); err != nil {
		return err
	}
	return d.describe(&m)
}

func (b *builder) describe(m *cdxMetadata) error {
	b.sys.Created = m.Timestamp
	for _, a := range m.Authors {
		b.author(a.Name)
	}
	b.author(m.Manufacturer.Name)
	b.author(m.Supplier.Name)
	root := m.Component.plain()
	b.sys.Name, b.sys.Version, b.sys.PURL = root.Name, root.Version, root.PURL
	b.root = m.Component.Ref
	if b.root == "" {
		b.root = m.Component.PURL
	}
	for i := range m.Component.Components {
		c := &m.Component.Components[i]
		if err := b.nested(c, 2); err != nil {
			return err
		}
		if err := b.link(b.root, c.Ref); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) author(name string) {
	if name = strings.TrimSpace(name); name != "" && len(name) <= maxText && len(b.sys.Authors) < 16 {
		b.sys.Authors = append(b.sys.Authors, name)
	}
}
