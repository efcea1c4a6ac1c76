// Package cvss reads the vectors in which advisories say how a weakness is
// reached and what it costs (CVSS 3.0, 3.1 and 4.0), their score, and the two
// questions of SSVC that a vector answers: whether attacks can be automated,
// and whether the component is lost wholly. Advisories and priorities use it; a
// score without a vector is nobody's business here.
package cvss

import (
	"strings"

	cvss30 "github.com/pandatix/go-cvss/30"
	cvss31 "github.com/pandatix/go-cvss/31"
	cvss40 "github.com/pandatix/go-cvss/40"

	"noroshi/fault"
)

// maxVector is the longest vector that is read; the longest possible one of
// CVSS 4.0 has some 200 bytes.
const maxVector = 512

// Vector is one vector that was understood.
type Vector struct {
	Text    string
	Version string  // 3.0, 3.1 or 4.0
	Score   float64 // 0 to 10, of the metrics that describe the weakness itself
	get     func(metric string) (string, error)
}

// Parse reads a vector; its beginning says the version.
func Parse(s string) (Vector, error) {
	v := Vector{Text: s}
	var err error
	switch {
	case len(s) > maxVector:
		return Vector{}, fault.New(fault.TooLarge, "cvss.parse", "a CVSS vector is longer than %d bytes", maxVector)
	case strings.HasPrefix(s, "CVSS:3.0/"):
		var x *cvss30.CVSS30
		if x, err = cvss30.ParseVector(s); err == nil {
			v.Version, v.Score, v.get = "3.0", x.BaseScore(), x.Get
		}
	case strings.HasPrefix(s, "CVSS:3.1/"):
		var x *cvss31.CVSS31
		if x, err = cvss31.ParseVector(s); err == nil {
			v.Version, v.Score, v.get = "3.1", x.BaseScore(), x.Get
		}
	case strings.HasPrefix(s, "CVSS:4.0/"):
		var x *cvss40.CVSS40
		if x, err = cvss40.ParseVector(s); err == nil {
			v.Version, v.Score, v.get = "4.0", x.Score(), x.Get
		}
	default:
		return Vector{}, fault.New(fault.Invalid, "cvss.parse", "%q is no vector of CVSS 3.0, 3.1 or 4.0", s)
	}
	if err != nil {
		return Vector{}, fault.As(fault.Invalid, "cvss.parse", err, "%q is no CVSS vector: %v", s, err)
	}
	return v, nil
}

// Is tells whether a metric has one of the values, each a letter.
func (v Vector) Is(metric, values string) bool {
	if v.get == nil {
		return false
	}
	got, err := v.get(metric)
	return err == nil && len(got) == 1 && strings.Contains(values, got)
}

// Automatable tells whether an attacker can do it to many without anybody's
// help: over the network, without luck, rights or a user. CVSS 4.0 may say so
// itself (AU).
func (v Vector) Automatable() bool {
	if v.Is("AU", "N") {
		return false
	}
	return v.Is("AU", "Y") || v.Is("AV", "N") && v.Is("AC", "L") && v.Is("PR", "N") && v.Is("UI", "N") && (v.Version != "4.0" || v.Is("AT", "N"))
}

// Total tells whether the attacker gets the component wholly: all it knows and
// all it does.
func (v Vector) Total() bool {
	if v.Version == "4.0" {
		return v.Is("VC", "H") && v.Is("VI", "H")
	}
	return v.Is("C", "H") && v.Is("I", "H")
}

// Exploitation is what the vector says of attacks: "active", "poc", or "" when
// it says nothing. CVSS 3 knows only how mature an exploit is, not whether it is
// used.
func (v Vector) Exploitation() string {
	switch {
	case v.Version == "4.0" && v.Is("E", "A"):
		return "active"
	case v.Is("E", "P"), v.Version != "4.0" && v.Is("E", "FH"):
		return "poc"
	}
	return ""
}
