// Package nvd reads the National Vulnerability Database (JSON 2.0, from files)
// and says which of a system's products a weakness hits by the names that NVD
// gives them (CPE). Vendor and product must be the same letter by letter, what
// must be there together must be there (AND), and what only has to be near is
// never hit. It is for components that nothing better is known of: analyse/
// affected asks it where no package URL was judged, and says so.
package nvd

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"noroshi/analyse/feed"
	"noroshi/fault"
)

// The limits of a file. A year of NVD is some 200 MiB.
const (
	maxBytes = 4 << 30
	maxNodes = 2000
	maxText  = 300
)

// Known are the weaknesses that were read.
type Known struct {
	list  []weakness
	at    map[string][]int32 // by the key of a product that may be vulnerable
	names map[string]int32
}

type weakness struct {
	id, summary string
	vectors     []string
	configs     []configuration
}

type configuration struct {
	and, negate bool
	nodes       []node
}

type node struct {
	and, negate bool
	matches     []match
}

// Report is what became of a file.
type Report struct {
	File    string `json:"file,omitempty"`
	Entries int    `json:"entries"`
	Kept    int    `json:"kept"` // those about products that are wanted
	feed.Problems
	names []string
}

// Contents is what feed.Believe compares with the last file.
func (r *Report) Contents() feed.Contents { return feed.Summary(r.names) }

// Load reads a file of NVD, plain or gzip, and keeps what may hit the wanted
// products: the whole of NVD is larger than the memory that is for it.
func (k *Known) Load(name string, wanted func(key string) bool) (r Report, err error) {
	err = feed.Stream(name, maxBytes, func(in io.Reader) error {
		r, err = k.Read(in, wanted)
		return err
	})
	r.File = name
	return r, err
}

// Read streams a document, a weakness at a time. A broken one is put aside with
// its place.
func (k *Known) Read(in io.Reader, wanted func(key string) bool) (r Report, err error) {
	dec := json.NewDecoder(in)
	refuse := func(err error) (Report, error) {
		return r, fault.As(fault.Invalid, "nvd.read", err, "it is no JSON 2.0 of NVD: %v", err).At("byte %d", dec.InputOffset())
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return refuse(cmp.Or(err, io.ErrUnexpectedEOF))
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return refuse(err)
		}
		if key != "vulnerabilities" {
			if err := dec.Decode(new(json.RawMessage)); err != nil {
				return refuse(err)
			}
			continue
		}
		if _, err := dec.Token(); err != nil {
			return refuse(err)
		}
		for i := 0; dec.More(); i++ {
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil {
				return refuse(err)
			}
			if err := k.entry(raw, wanted, &r); err != nil {
				r.Refuse(fmt.Sprintf("vulnerabilities[%d]", i), err)
			}
		}
		if _, err := dec.Token(); err != nil {
			return refuse(err)
		}
	}
	if r.Entries == 0 {
		return r, fault.New(fault.Invalid, "nvd.read", "there is no weakness in it (vulnerabilities[].cve)")
	}
	return r, nil
}

// Len is how many weaknesses are kept, Has whether one of a name is.
func (k *Known) Len() int { return len(k.names) }

// Has tells whether a weakness is kept.
func (k *Known) Has(name string) bool { _, ok := k.names[name]; return ok }

// Hit is a weakness in one of the products that were asked about.
type Hit struct {
	CVE, Summary string
	Vectors      []string
	Product      int // its place in what was asked
}

// Match says which weaknesses hit a system of these products.
func (k *Known) Match(products []CPE) (hits []Hit) {
	there := map[string][]int{}
	for i, c := range products {
		there[c.Key()] = append(there[c.Key()], i)
	}
	var may []int32
	for key := range there {
		may = append(may, k.at[key]...)
	}
	slices.Sort(may)
	for _, n := range slices.Compact(may) {
		w := &k.list[n]
		hit := map[int]bool{}
		for _, c := range w.configs {
			for _, i := range c.hits(products, there) {
				hit[i] = true
			}
		}
		for i := range products {
			if hit[i] {
				hits = append(hits, Hit{w.id, w.summary, w.vectors, i})
			}
		}
	}
	return hits
}

// hits are the vulnerable products of a system that meets a configuration. What
// is negated has to be absent and hits nothing.
func (c *configuration) hits(products []CPE, there map[string][]int) (list []int) {
	met := c.and
	for i := range c.nodes {
		holds, hits := c.nodes[i].holds(products, there)
		if !c.nodes[i].negate {
			list = append(list, hits...)
		}
		if holds != c.nodes[i].negate {
			met = met || !c.and
		} else {
			met = met && !c.and
		}
	}
	if !met || c.negate {
		return nil
	}
	return list
}

// holds says whether the system meets the criteria of a node, and with which
// vulnerable products.
func (n *node) holds(products []CPE, there map[string][]int) (holds bool, hits []int) {
	holds = n.and
	for i := range n.matches {
		m, met := &n.matches[i], false
		for _, at := range there[m.name.Key()] {
			if m.covers(products[at]) {
				met = true
				if m.vulnerable {
					hits = append(hits, at)
				}
			}
		}
		if n.and {
			holds = holds && met
		} else {
			holds = holds || met
		}
	}
	if !holds {
		return false, nil
	}
	return true, hits
}

func clip(s string) string {
	if len(s) > maxText {
		return strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}
