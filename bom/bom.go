// Package bom is the vocabulary of bills of materials: which components a
// system is made of, what each is called (a package URL), and which needs which.
// It is plain data: sense/sbom reads it from files and makes it from folders,
// analyse/affected asks it who is hit.
package bom

// System is one system in one version, with what it is made of.
type System struct {
	Name    string
	Version string
	PURL    PURL // the zero value when it has none
	// Format is what it was read from, such as "CycloneDX 1.6".
	Format string
	// Created and Authors are who made the bill of materials, and when, as it
	// says itself.
	Created string
	Authors []string

	Components []Component
	Edges      []Edge
	// Dangling counts the dependencies that name a component the bill does not
	// have.
	Dangling int
	// BadHashes counts the hashes that cannot be what they say, of which BadHash
	// names the first.
	BadHashes int
	BadHash   string
}

// Root is the system itself at the end of an Edge.
const Root = -1

// Edge says that one component needs another; both are indexes into Components,
// or Root.
type Edge struct{ From, To int }

// Component is one part of a system.
type Component struct {
	Name     string
	Version  string
	Supplier string
	CPE      string
	// License is an SPDX expression, or what else the bill calls it, of at most
	// MaxLicense bytes; empty when it does not say.
	License string
	PURL    PURL // the zero value when it has none
}

// MaxLicense is the longest name of a license; what is longer is its text.
const MaxLicense = 512

// Label is how a component is called in a sentence.
func (c Component) Label() string {
	name := c.Name
	if c.PURL.Type != "" {
		name = c.PURL.FullName()
	}
	if c.Version == "" {
		return name
	}
	return name + " " + c.Version
}

// Parents returns for every component the one through which the system needs it
// by the shortest way, Root for what it needs itself, and Unreached for what no
// dependency leads to.
func (s System) Parents() []int32 {
	parents := make([]int32, len(s.Components))
	for i := range parents {
		parents[i] = Unreached
	}
	// The edges by where they begin, shifted by one for the root.
	start := make([]int32, len(s.Components)+2)
	for _, e := range s.Edges {
		start[e.From+2]++
	}
	for i := 1; i < len(start); i++ {
		start[i] += start[i-1]
	}
	next := append([]int32(nil), start...)
	to := make([]int32, len(s.Edges))
	for _, e := range s.Edges {
		to[next[e.From+1]] = int32(e.To)
		next[e.From+1]++
	}
	queue := make([]int32, 1, len(s.Components)+1)
	queue[0] = Root
	for ; len(queue) > 0; queue = queue[1:] {
		from := queue[0]
		for _, t := range to[start[from+1]:start[from+2]] {
			if t != Root && parents[t] == Unreached {
				parents[t] = from
				queue = append(queue, t)
			}
		}
	}
	return parents
}

// Unreached is the parent of a component that no dependency leads to.
const Unreached = -2
