package sbom

import (
	"fmt"
	"math"
	"strings"
	"time"

	"noroshi/bom"
)

// Quality is how complete a bill of materials is, by the minimum elements of the
// NTIA (2021): supplier, name, version, other unique identifiers, dependency
// relationships, author, timestamp. Each weighs the same.
type Quality struct {
	Score    int       `json:"score"` // of 100
	Elements []Element `json:"elements"`
}

// Element is one of the seven, with the share that has it, and why not more.
type Element struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"`
	Why   string  `json:"why,omitempty"`
}

// Judge scores a system.
func Judge(s bom.System) Quality {
	reached := s.Parents()
	q := Quality{Elements: []Element{
		share(s, "supplier", func(_ int, c bom.Component) bool { return c.Supplier != "" }),
		share(s, "name", func(_ int, c bom.Component) bool { return c.Name != "" }),
		share(s, "version", func(_ int, c bom.Component) bool { return c.Version != "" }),
		share(s, "identifier", func(_ int, c bom.Component) bool { return c.PURL.Type != "" || c.CPE != "" }),
		share(s, "dependencies", func(i int, _ bom.Component) bool { return reached[i] != bom.Unreached }),
		once("author", len(s.Authors) > 0, "nobody is named as its author"),
		once("timestamp", timed(s.Created), "it does not say when it was made"),
	}}
	if d := &q.Elements[dependencies]; s.Dangling > 0 {
		d.Why = strings.TrimPrefix(fmt.Sprintf("%s; %d dependencies name what is not in it", d.Why, s.Dangling), "; ")
	}
	// A hash that cannot be one says that who wrote the bill did not look.
	if d := &q.Elements[identifier]; s.BadHashes > 0 {
		d.Why = strings.TrimPrefix(fmt.Sprintf("%s; %d hashes cannot be what they say, such as that of %s", d.Why, s.BadHashes, s.BadHash), "; ")
	}
	sum := 0.0
	for _, e := range q.Elements {
		sum += e.Share
	}
	// Rounded down, so that only the complete one has 100.
	q.Score = int(math.Floor(100*sum/float64(len(q.Elements)) + 1e-9))
	return q
}

// The places of these elements.
const (
	identifier   = 3
	dependencies = 4
)

// named is how many components an explanation names.
const named = 3

// share is the part of the components that have something.
func share(s bom.System, name string, has func(int, bom.Component) bool) Element {
	e := Element{Name: name}
	if len(s.Components) == 0 {
		e.Why = "there are no components"
		return e
	}
	n := 0
	var without []string
	for i, c := range s.Components {
		if has(i, c) {
			n++
		} else if len(without) < named {
			without = append(without, c.Label())
		}
	}
	e.Share = float64(n) / float64(len(s.Components))
	if n < len(s.Components) {
		e.Why = fmt.Sprintf("%d of %d lack it, such as %s", len(s.Components)-n, len(s.Components), strings.Join(without, ", "))
	}
	return e
}

func once(name string, has bool, why string) Element {
	if has {
		return Element{Name: name, Share: 1}
	}
	return Element{Name: name, Why: why}
}

func timed(s string) bool {
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}
