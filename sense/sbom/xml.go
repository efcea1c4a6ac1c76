package sbom

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"noroshi/bom"
	"noroshi/fault"
)

// xmlReader streams CycloneDX in XML. A document type is refused, so no entity
// can be declared: neither bombs nor references to files are possible.
type xmlReader struct {
	*builder
	dec     *xml.Decoder
	depth   int
	version string // of CycloneDX, by the root's namespace
}

func readXML(r io.Reader, b *builder) (bom.System, error) {
	x := &xmlReader{builder: b, dec: xml.NewDecoder(r)}
	if err := x.document(); err != nil {
		line, column := x.dec.InputPos()
		var f *fault.Error
		if !errors.As(err, &f) {
			text := strings.TrimPrefix(err.Error(), "XML ")
			if errors.Is(err, io.EOF) || strings.HasSuffix(text, "unexpected EOF") {
				text = "the file ends in the middle"
			}
			f = fault.As(fault.Invalid, "sbom.read", err, "%s", text)
		}
		return bom.System{}, f.At("line %d, column %d", line, column)
	}
	return x.system(), nil
}

// Token lets xml.NewTokenDecoder read with the limit on depth and without
// document types, whatever is decoded.
func (x *xmlReader) Token() (xml.Token, error) {
	t, err := x.dec.RawToken()
	switch v := t.(type) {
	case xml.StartElement:
		if x.depth++; x.depth > maxDepth*2 {
			return nil, fault.New(fault.Invalid, "sbom.read", "elements are nested deeper than %d", maxDepth*2)
		}
		// CycloneDX has one namespace, which says its version: prefixes say nothing.
		v.Name.Space = ""
		attrs := v.Attr[:0]
		for _, a := range v.Attr {
			if of, ok := strings.CutPrefix(a.Value, "http://cyclonedx.org/schema/bom/"); ok && x.depth == 1 && strings.HasPrefix(of, "1.") {
				x.version = of
			}
			if a.Name.Space == "" && a.Name.Local != "xmlns" {
				attrs = append(attrs, a)
			}
		}
		v.Attr = attrs
		return v, err
	case xml.EndElement:
		x.depth--
		v.Name.Space = ""
		return v, err
	case xml.Directive:
		return nil, fault.New(fault.Invalid, "sbom.read", "a document type (<!DOCTYPE …>) is not read: it can make a small file endless")
	}
	return t, err
}

// document reads the root element and what stands in it.
func (x *xmlReader) document() error {
	dec := xml.NewTokenDecoder(x)
	root, err := start(dec)
	if err != nil {
		return err
	}
	if root == nil || root.Name.Local != "bom" || x.version == "" {
		return fault.New(fault.Invalid, "sbom.read", "this XML is not CycloneDX 1.x (an element bom of the namespace http://cyclonedx.org/schema/bom/1.…)")
	}
	x.sys.Format = "CycloneDX " + x.version
	for {
		e, err := start(dec)
		if err != nil || e == nil {
			return err
		}
		switch e.Name.Local {
		case "metadata":
			var m cdxMetadata
			if err := dec.DecodeElement(&m, e); err != nil {
				return err
			}
			err = x.describe(&m)
		case "components":
			err = x.list(dec, func(e *xml.StartElement) error {
				var c cdxComponent
				if err := dec.DecodeElement(&c, e); err != nil {
					return err
				}
				return x.component(&c)
			})
		case "dependencies":
			err = x.list(dec, func(e *xml.StartElement) error {
				var d xmlDependency
				if err := dec.DecodeElement(&d, e); err != nil {
					return err
				}
				return x.dependency(d.plain())
			})
		default:
			err = dec.Skip()
		}
		if err != nil {
			return err
		}
	}
}

// xmlDependency is cdxDependency as XML writes it.
type xmlDependency struct {
	Ref  string `xml:"ref,attr"`
	Deps []struct {
		Ref string `xml:"ref,attr"`
	} `xml:"dependency"`
}

func (d *xmlDependency) plain() *cdxDependency {
	p := &cdxDependency{Ref: d.Ref}
	for _, x := range d.Deps {
		p.DependsOn = append(p.DependsOn, x.Ref)
	}
	return p
}

// list reads the elements inside the one that just began.
func (x *xmlReader) list(dec *xml.Decoder, take func(*xml.StartElement) error) error {
	for {
		e, err := start(dec)
		if err != nil || e == nil {
			return err
		}
		if err := take(e); err != nil {
			return err
		}
	}
}

// start returns the next element that begins, nil where the outer one ends.
func start(dec *xml.Decoder) (*xml.StartElement, error) {
	for {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		switch e := t.(type) {
		case xml.StartElement:
			return &e, nil
		case xml.EndElement:
			return nil, nil
		}
	}
}
