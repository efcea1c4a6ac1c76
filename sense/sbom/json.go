package sbom

import (
	"encoding/json"
	"errors"
	"io"
	"strings"

	"noroshi/bom"
	"noroshi/fault"
)

// document is what is read of a JSON file, in whatever order it stands there:
// the keys of CycloneDX and of SPDX differ, so one reader takes both and looks
// at the end which it was.
type document struct {
	*builder
	dec                    *json.Decoder
	bomFormat, specVersion string
	spdxVersion, name      string
	describes              []string
	spdx3                  bool
}

// readJSON streams a JSON document: one component is in memory as text at a time.
func readJSON(r io.Reader, b *builder) (bom.System, error) {
	d := &document{builder: b, dec: json.NewDecoder(r)}
	err := d.object(d.key)
	if err != nil {
		return bom.System{}, d.place(err)
	}
	switch {
	case d.bomFormat == "CycloneDX" && strings.HasPrefix(d.specVersion, "1."):
		d.sys.Format = "CycloneDX " + d.specVersion
	case strings.HasPrefix(d.spdxVersion, "SPDX-2."):
		d.sys.Format = "SPDX " + strings.TrimPrefix(d.spdxVersion, "SPDX-")
		d.describeSPDX(d.name, d.describes)
	case d.spdx3:
		return bom.System{}, fault.New(fault.Invalid, "sbom.read", "SPDX 3 is not read yet; write it as SPDX 2.3 or CycloneDX")
	default:
		return bom.System{}, fault.New(fault.Invalid, "sbom.read", "this JSON is neither CycloneDX 1.x (bomFormat, specVersion) nor SPDX 2.x (spdxVersion)")
	}
	return d.system(), nil
}

// key reads the value of one key of the document.
func (d *document) key(key string) error {
	switch key {
	case "bomFormat":
		return d.dec.Decode(&d.bomFormat)
	case "specVersion":
		return d.dec.Decode(&d.specVersion)
	case "metadata":
		return d.metadata()
	case "components":
		return each(d.dec, d.component)
	case "dependencies":
		return each(d.dec, d.dependency)
	case "spdxVersion":
		return d.dec.Decode(&d.spdxVersion)
	case "name":
		return d.dec.Decode(&d.name)
	case "creationInfo":
		return d.creation()
	case "documentDescribes":
		return d.dec.Decode(&d.describes)
	case "packages":
		return each(d.dec, d.spdxPackage)
	case "files":
		if d.wantFiles {
			return each(d.dec, d.spdxFile)
		}
	case "relationships":
		return each(d.dec, d.relationship)
	case "@graph":
		d.spdx3 = true
	}
	return skip(d.dec)
}

// object reads an object key by key.
func (d *document) object(key func(string) error) error {
	if err := delim(d.dec, '{'); err != nil {
		return err
	}
	for d.dec.More() {
		t, err := d.dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if err := key(name); err != nil {
			return err
		}
	}
	return delim(d.dec, '}')
}

// each reads an array value by value.
func each[T any](dec *json.Decoder, take func(*T) error) error {
	if err := delim(dec, '['); err != nil {
		return err
	}
	for dec.More() {
		var v T
		if err := dec.Decode(&v); err != nil {
			return err
		}
		if err := take(&v); err != nil {
			return err
		}
	}
	return delim(dec, ']')
}

// delim reads one bracket.
func delim(dec *json.Decoder, want json.Delim) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	if t != want {
		return fault.New(fault.Invalid, "sbom.read", "there should be %q", rune(want))
	}
	return nil
}

// skip passes over one value without keeping it.
func skip(dec *json.Decoder) error {
	for depth := 0; ; {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxDepth {
			return fault.New(fault.Invalid, "sbom.read", "values are nested deeper than %d", maxDepth)
		}
		if depth == 0 {
			return nil
		}
	}
}

// place says where in the file something was wrong.
func (d *document) place(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.At("byte %d", d.dec.InputOffset())
	}
	at := d.dec.InputOffset()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = syntax.Offset
	}
	text := strings.TrimPrefix(err.Error(), "json: ")
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		text = "the file ends in the middle"
	}
	return fault.As(fault.Invalid, "sbom.read", err, "%s", text).At("byte %d", at)
}
