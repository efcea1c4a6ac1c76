package sbom

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"noroshi/bom"
	"noroshi/fault"
)

// The shapes of CycloneDX 1.6 that are written.
type outDocument struct {
	BOMFormat    string          `json:"bomFormat"`
	SpecVersion  string          `json:"specVersion"`
	Serial       string          `json:"serialNumber"`
	Version      int             `json:"version"`
	Metadata     outMetadata     `json:"metadata"`
	Components   []outComponent  `json:"components"`
	Dependencies []cdxDependency `json:"dependencies"`
}

type outMetadata struct {
	Timestamp string      `json:"timestamp"`
	Authors   []outEntity `json:"authors,omitempty"`
	Tools     struct {
		Components []outComponent `json:"components"`
	} `json:"tools"`
	Component outComponent `json:"component"`
}

type outEntity struct {
	Name string `json:"name"`
}

type outComponent struct {
	Type     string       `json:"type"`
	Ref      string       `json:"bom-ref,omitempty"`
	Supplier *outEntity   `json:"supplier,omitempty"`
	Name     string       `json:"name"`
	Version  string       `json:"version,omitempty"`
	CPE      string       `json:"cpe,omitempty"`
	Licenses []outLicense `json:"licenses,omitempty"`
	PURL     string       `json:"purl,omitempty"`
}

// root is the reference of the system itself.
const root = "system"

// Write writes a system as CycloneDX 1.6 in JSON, in an order and under a serial
// number that follow from its content: the same system gives the same document,
// but for its time.
func Write(w io.Writer, s bom.System, tool, toolVersion string) error {
	d := outDocument{BOMFormat: "CycloneDX", SpecVersion: "1.6", Version: 1, Components: []outComponent{}, Dependencies: []cdxDependency{}}
	d.Metadata.Component = outComponent{Type: "application", Ref: root, Name: s.Name, Version: s.Version}
	d.Metadata.Tools.Components = []outComponent{{Type: "application", Name: tool, Version: toolVersion}}
	for _, a := range s.Authors {
		d.Metadata.Authors = append(d.Metadata.Authors, outEntity{a})
	}
	refs := references(s)
	order := make([]int, len(s.Components))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(refs[a], refs[b]) })
	for _, i := range order {
		c := s.Components[i]
		o := outComponent{Type: "library", Ref: refs[i], Name: c.Name, Version: c.Version, CPE: cpe(c.CPE), Licenses: licensesOut(c.License), PURL: c.PURL.String()}
		if c.Supplier != "" {
			o.Supplier = &outEntity{c.Supplier}
		}
		d.Components = append(d.Components, o)
	}
	needs := map[string][]string{}
	for _, e := range s.Edges {
		from := root
		if e.From != bom.Root {
			from = refs[e.From]
		}
		if e.To != bom.Root {
			needs[from] = append(needs[from], refs[e.To])
		}
	}
	for _, from := range append([]string{root}, sorted(needs)...) {
		if list := needs[from]; len(list) > 0 {
			slices.Sort(list)
			d.Dependencies = append(d.Dependencies, cdxDependency{from, slices.Compact(list)})
			delete(needs, from)
		}
	}
	content, err := json.Marshal(d)
	if err != nil {
		return fault.Wrap("sbom.write", err)
	}
	d.Serial, d.Metadata.Timestamp = serial(content), s.Created
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return fault.Wrap("sbom.write", e.Encode(d))
}

// cpe is a name that may stand as one: a bill may have anything there.
func cpe(s string) string {
	if strings.HasPrefix(s, "cpe:2.3:") && strings.Count(s, ":")-strings.Count(s, `\:`) == 12 || strings.HasPrefix(s, "cpe:/") {
		return s
	}
	return ""
}

// references gives each component one of its own: its package URL, or its name
// and version, with a number where that is not enough.
func references(s bom.System) []string {
	refs, seen := make([]string, len(s.Components)), map[string]bool{root: true}
	for i, c := range s.Components {
		ref := c.PURL.String()
		if ref == "" {
			ref = c.Label()
		}
		for n := 2; seen[ref]; n++ {
			ref = c.Label() + " #" + strconv.Itoa(n)
		}
		refs[i], seen[ref] = ref, true
	}
	return refs
}

func sorted(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// serial is a UUID of the eighth version (RFC 9562) out of a hash.
func serial(content []byte) string {
	h := sha256.Sum256(content)
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
