package systems

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"noroshi/access"
	"noroshi/bom"
	"noroshi/ident"
)

// Comparison is what became another between two bills of materials of a system.
type Comparison struct {
	From    Bill      `json:"from"`
	To      Bill      `json:"to"`
	Added   []Part    `json:"added"`
	Removed []Part    `json:"removed"`
	Changed []Changed `json:"changed"` // other versions of the same package
	Same    int       `json:"same"`    // packages
}

// Part is a component in a comparison.
type Part struct {
	Package string `json:"package"` // the package URL without version, or the name
	Version string `json:"version"`
}

// Changed is a package in other versions than before; it may be there in several.
type Changed struct {
	Package string   `json:"package"`
	From    []string `json:"from"`
	To      []string `json:"to"`
}

// Compare says what became another from one bill of materials to another.
func (x *Systems) Compare(ctx context.Context, s access.Scope, id ident.ID, from, to int) (c Comparison, err error) {
	was, b, err := x.parts(ctx, s, id, from)
	if err != nil {
		return c, err
	}
	is, e, err := x.parts(ctx, s, id, to)
	if err != nil {
		return c, err
	}
	c = compare(was, is)
	c.From, c.To = b, e
	return c, nil
}

func compare(was, is bom.System) Comparison {
	c := Comparison{Added: []Part{}, Removed: []Part{}, Changed: []Changed{}}
	before, after := versions(was), versions(is)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		old, there := before[name]
		switch {
		case !there:
			for _, v := range after[name] {
				c.Added = append(c.Added, Part{name, v})
			}
		case slices.Equal(old, after[name]):
			c.Same++
		default:
			c.Changed = append(c.Changed, Changed{name, old, after[name]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, there := after[name]; !there {
			for _, v := range before[name] {
				c.Removed = append(c.Removed, Part{name, v})
			}
		}
	}
	return c
}

// versions are those of each package, each once, sorted.
func versions(s bom.System) map[string][]string {
	out := map[string][]string{}
	for _, c := range s.Components {
		name := cmp.Or(bare(c.PURL), c.Name)
		v := cmp.Or(c.PURL.Version, c.Version)
		if at, there := slices.BinarySearch(out[name], v); !there {
			out[name] = slices.Insert(out[name], at, v)
		}
	}
	return out
}

// bare is a package URL without what differs between versions.
func bare(p bom.PURL) string {
	p.Version, p.Qualifiers, p.Subpath = "", nil, ""
	return p.String()
}
