package sbom

import (
	"regexp"
	"strings"

	"noroshi/bom"
)

// cdxLicense is a license as CycloneDX writes it in JSON.
type cdxLicense struct {
	License    namedLicense `json:"license"`
	Expression string       `json:"expression"`
}

// namedLicense is one by its SPDX identifier, or by another name.
type namedLicense struct {
	ID   string `json:"id,omitempty" xml:"id"`
	Name string `json:"name,omitempty" xml:"name"`
}

func (n namedLicense) text() string {
	if n.ID != "" {
		return n.ID
	}
	return n.Name
}

// license joins what a component says of its licenses: all of them hold.
func license(list ...string) string {
	var said []string
	for _, s := range list {
		s = strings.Join(strings.Fields(s), " ")
		if s != "" && s != "NOASSERTION" && s != "NONE" && len(s) <= bom.MaxLicense {
			said = append(said, s)
		}
	}
	if len(said) == 1 {
		return said[0]
	}
	for i, s := range said {
		if strings.Contains(s, " OR ") {
			said[i] = "(" + s + ")"
		}
	}
	if s := strings.Join(said, " AND "); len(s) <= bom.MaxLicense {
		return s
	}
	return said[0]
}

// spdxShape is how an SPDX expression is written; whether its identifiers are on
// SPDX's list is not looked at.
var spdxShape = regexp.MustCompile(`^\(*[A-Za-z0-9][A-Za-z0-9.+-]*(\)* (AND|OR|WITH) \(*[A-Za-z0-9][A-Za-z0-9.+-]*)*\)*$`)

// outLicense is a license as it is written: as an expression if it is one.
type outLicense struct {
	License    *namedLicense `json:"license,omitempty"`
	Expression string        `json:"expression,omitempty"`
}

func licensesOut(s string) []outLicense {
	switch {
	case s == "":
		return nil
	case spdxShape.MatchString(s) && strings.Count(s, "(") == strings.Count(s, ")"):
		return []outLicense{{Expression: s}}
	}
	return []outLicense{{License: &namedLicense{Name: s}}}
}
