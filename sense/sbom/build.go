package sbom

import (
	"noroshi/bom"
	"noroshi/fault"
)

// builder gathers a system from a document in which references may come before
// what they refer to.
type builder struct {
	sys   bom.System
	root  string         // the reference of the system itself
	index map[string]int // the component of a reference
	links []link
	// files are what the document says of files, where that is asked for.
	wantFiles bool
	files     []File
}

type link struct{ from, to string }

func newBuilder() *builder { return &builder{index: map[string]int{}} }

// file takes what is said of a file.
func (b *builder) file(f File) error {
	if !b.wantFiles || f.Path == "" || len(f.Hashes) == 0 {
		return nil
	}
	if len(b.files) >= MaxFiles {
		return fault.New(fault.TooLarge, "sbom.read", "there are more than %d files", MaxFiles)
	}
	if len(f.Path) > maxText || len(f.Place) > maxText {
		return fault.New(fault.TooLarge, "sbom.read", "the name of a file is longer than %d bytes", maxText)
	}
	b.files = append(b.files, f)
	return nil
}

// add takes a component under a reference.
func (b *builder) add(ref string, c bom.Component) error {
	if len(b.sys.Components) >= MaxComponents {
		return fault.New(fault.TooLarge, "sbom.read", "there are more than %d components", MaxComponents)
	}
	for _, s := range []string{c.Name, c.Version, c.Supplier, c.CPE} {
		if len(s) > maxText {
			return fault.New(fault.TooLarge, "sbom.read", "a name or version is longer than %d bytes", maxText)
		}
	}
	if ref != "" {
		if _, twice := b.index[ref]; !twice {
			b.index[ref] = len(b.sys.Components)
		}
	}
	b.sys.Components = append(b.sys.Components, c)
	return nil
}

// link remembers that one reference needs another.
func (b *builder) link(from, to string) error {
	if len(b.links) >= MaxEdges {
		return fault.New(fault.TooLarge, "sbom.read", "there are more than %d dependencies", MaxEdges)
	}
	b.links = append(b.links, link{from, to})
	return nil
}

// system resolves the references.
func (b *builder) system() bom.System {
	at := func(ref string) (int, bool) {
		if ref == b.root && ref != "" {
			return bom.Root, true
		}
		i, ok := b.index[ref]
		return i, ok
	}
	for _, l := range b.links {
		from, ok1 := at(l.from)
		to, ok2 := at(l.to)
		if !ok1 || !ok2 {
			b.sys.Dangling++
			continue
		}
		b.sys.Edges = append(b.sys.Edges, bom.Edge{From: from, To: to})
	}
	return b.sys
}

// identified gives a component the name and version of its package URL where it
// has none itself. A package URL that is none is as good as none: one bad line
// among thousands is shown by the quality score and does not hide the others.
func identified(c bom.Component, purl string) bom.Component {
	p, err := bom.ParsePURL(purl)
	if err != nil {
		return c
	}
	c.PURL = p
	if c.Version == "" {
		c.Version = p.Version
	}
	if c.Name == "" {
		c.Name = p.Name
	}
	return c
}
