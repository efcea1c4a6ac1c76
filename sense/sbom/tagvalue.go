package sbom

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"noroshi/bom"
	"noroshi/fault"
)

// maxLine is the longest line of a tag-value file.
const maxLine = 1 << 20

// tagValue reads SPDX 2.x as lines "Tag: value". Texts over several lines stand
// in <text>…</text>; none of them is needed, so they are passed over.
type tagValue struct {
	*builder
	version, name string
	pack          *spdxPackage
	// other is whether the lines are of a file or a snippet, whose tags resemble
	// those of a package.
	other bool
	file  *spdxFile
}

func readTagValue(r io.Reader, b *builder) (bom.System, error) {
	t := &tagValue{builder: b}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n, inText := 0, false
	at := func(err error) error {
		var f *fault.Error
		if !errors.As(err, &f) {
			f = fault.As(fault.Invalid, "sbom.read", err, "%v", err)
		}
		return f.At("line %d", n)
	}
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if inText {
			inText = !strings.Contains(line, "</text>")
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		tag, value, ok := strings.Cut(line, ":")
		if !ok {
			return bom.System{}, at(fault.New(fault.Invalid, "sbom.read", "this is neither JSON nor XML, nor a line of SPDX (Tag: value)"))
		}
		value = strings.TrimSpace(value)
		if n == 1 && tag != "SPDXVersion" {
			return bom.System{}, at(fault.New(fault.Invalid, "sbom.read", "this is neither JSON nor XML, nor SPDX, which begins with SPDXVersion"))
		}
		if strings.HasPrefix(value, "<text>") {
			inText = !strings.Contains(value, "</text>")
			continue
		}
		if err := t.line(tag, value); err != nil {
			return bom.System{}, at(err)
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = fault.New(fault.TooLarge, "sbom.read", "the line is longer than %d bytes", maxLine)
		}
		return bom.System{}, at(err)
	}
	if !strings.HasPrefix(t.version, "SPDX-2.") {
		return bom.System{}, fault.New(fault.Invalid, "sbom.read", "SPDX 2.x is read, this is %q", t.version)
	}
	if err := t.end(); err != nil {
		return bom.System{}, at(err)
	}
	t.sys.Format = "SPDX " + strings.TrimPrefix(t.version, "SPDX-")
	t.describeSPDX(t.name, nil)
	return t.system(), nil
}

// line takes one tag.
func (t *tagValue) line(tag, value string) error {
	switch tag {
	case "SPDXVersion":
		t.version = value
	case "DocumentName":
		t.name = value
	case "Created":
		t.sys.Created = value
	case "Creator":
		t.author(who(value))
	case "PackageName":
		if err := t.end(); err != nil {
			return err
		}
		t.pack, t.other = &spdxPackage{Name: value}, false
	case "FileName", "SnippetSPDXID":
		t.other = true
		if err := t.endFile(); err != nil || tag != "FileName" {
			return err
		}
		t.file = &spdxFile{Name: value}
	case "SPDXID":
		if t.file != nil && t.other {
			t.file.ID = value
		}
	case "FileChecksum":
		if alg, value, ok := strings.Cut(value, ":"); ok && t.file != nil {
			t.file.Sums = append(t.file.Sums, spdxSum{alg, value})
		}
	case "Relationship":
		f := strings.Fields(value)
		if len(f) < 3 {
			return fault.New(fault.Invalid, "sbom.read", "a relationship has three parts: element, type, element")
		}
		return t.relationship(&spdxRelationship{From: f[0], Type: f[1], To: f[2]})
	}
	if t.pack == nil || t.other {
		return nil
	}
	switch tag {
	case "SPDXID":
		t.pack.ID = value
	case "PackageVersion":
		t.pack.Version = value
	case "PackageSupplier":
		t.pack.Supplier = value
	case "PackageLicenseConcluded":
		t.pack.Concluded = value
	case "PackageLicenseDeclared":
		t.pack.Declared = value
	case "PackageChecksum":
		alg, value, _ := strings.Cut(value, ":")
		t.pack.hashes = append(t.pack.hashes, Hash{alg, value})
	case "ExternalRef":
		if f := strings.Fields(value); len(f) == 3 {
			t.pack.Refs = append(t.pack.Refs, spdxRef{Type: f[1], Locator: f[2]})
		}
	}
	return nil
}

// end takes what the lines so far were of.
func (t *tagValue) end() error {
	if err := t.endFile(); err != nil || t.pack == nil {
		return err
	}
	p := t.pack
	t.pack = nil
	return t.spdxPackage(p)
}

func (t *tagValue) endFile() error {
	f := t.file
	if t.file = nil; f == nil {
		return nil
	}
	return t.spdxFile(f)
}
