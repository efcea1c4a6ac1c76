// Package sigma reads Sigma rules and evaluates them, plainly and straight from
// the Sigma specification (version 2): this is the reference with which any
// faster engine must agree on every event. A rule that is broken, unknown to
// the specification or explosive is refused with its place; the others go on.
// It keeps no state and makes no findings: package analyse does.
package sigma

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"gopkg.in/yaml.v3"

	"noroshi/fault"
	"noroshi/finding"
)

// Limits of a rule from outside.
const (
	MaxFile       = 256 << 10
	maxAtoms      = 20_000 // single comparisons
	maxPattern    = 4 << 10
	maxDepth      = 32 // of a condition and of lists
	maxConditions = 20

	maxInstructions = 5_000   // of all regular expressions of a rule
	maxWork         = 100_000 // comparisons that all conditions make of one event
	maxID           = 100
	maxTitle        = 300
	maxDocuments    = 100
)

// Logsource says which events a rule is about.
type Logsource struct {
	Category string `yaml:"category"`
	Product  string `yaml:"product"`
	Service  string `yaml:"service"`
}

// Rule is one parsed rule.
type Rule struct {
	finding.Rule
	Logsource Logsource
	Status    string
	Tags      []string
	File      string

	searches   map[string]search // search identifiers of the detection
	conditions []expr
}

// document is the YAML of a rule. What the specification names and the engine
// does not need is read and left alone.
type document struct {
	Title       string    `yaml:"title"`
	TitleJA     string    `yaml:"title_ja"`
	ID          string    `yaml:"id"`
	Description string    `yaml:"description"`
	License     string    `yaml:"license"`
	Author      string    `yaml:"author"`
	Status      string    `yaml:"status"`
	Level       string    `yaml:"level"`
	Tags        []string  `yaml:"tags"`
	Logsource   Logsource `yaml:"logsource"`
	Detection   yaml.Node `yaml:"detection"`
	Correlation yaml.Node `yaml:"correlation"`
	Action      string    `yaml:"action"`
}

// Parse reads a file with one rule. File names it in errors.
func Parse(file string, b []byte) (*Rule, error) {
	rules, refused := ParseAll(file, b)
	switch {
	case len(refused) > 0:
		return nil, refused[0].Err
	case len(rules) != 1:
		return nil, fault.New(fault.Invalid, "sigma.parse", "the file holds %d rules, not one", len(rules)).At("%s", file)
	}
	return rules[0], nil
}

// ParseAll reads a file of one or several YAML documents. A broken rule does
// not keep the others from being read; broken YAML ends the file.
func ParseAll(file string, b []byte) ([]*Rule, []Refused) {
	const op = "sigma.parse"
	refuse := func(err error) Refused { return Refused{file, err} }
	if len(b) > MaxFile {
		return nil, []Refused{refuse(fault.New(fault.TooLarge, op, "the rule is %d bytes; at most %d are allowed", len(b), MaxFile).At("%s", file))}
	}
	var rules []*Rule
	var refused []Refused
	dec := yaml.NewDecoder(bytes.NewReader(b))
	for n := 0; ; n++ {
		var d document
		err := dec.Decode(&d)
		if errors.Is(err, io.EOF) {
			return rules, refused
		}
		if err != nil {
			return rules, append(refused, refuse(fault.As(fault.Invalid, op, err, "not a YAML rule: %.300v", err).At("%s", file)))
		}
		if n == maxDocuments {
			return rules, append(refused, refuse(fault.New(fault.TooLarge, op, "the file holds more than %d rules", maxDocuments).At("%s", file)))
		}
		r, err := d.rule()
		if err != nil {
			refused = append(refused, refuse(fault.As(fault.KindOf(err), op, err, "%s", fault.PublicOf(err)).At("%s", file)))
			continue
		}
		r.File = file
		rules = append(rules, r)
	}
}

func (d *document) rule() (*Rule, error) {
	const op = "sigma.rule"
	level := finding.Level(d.Level)
	if d.Level == "" {
		level = finding.Medium
	}
	switch {
	case d.Correlation.Kind != 0:
		return nil, fault.New(fault.Invalid, op, "correlation rules are not evaluated yet")
	case d.Action != "":
		return nil, fault.New(fault.Invalid, op, "rule collections (action: %s) are of Sigma 1 and not read", d.Action)
	case d.Title == "" || d.ID == "":
		return nil, fault.New(fault.Invalid, op, "a rule needs a title and an id")
	case len(d.ID) > maxID || len(d.Title) > maxTitle || len(d.TitleJA) > maxTitle:
		return nil, fault.New(fault.TooLarge, op, "an id has at most %d bytes, a title %d", maxID, maxTitle)
	case level.Rank() == 0:
		return nil, fault.New(fault.Invalid, op, "%q is not a level", d.Level)
	case d.Logsource == (Logsource{}):
		return nil, fault.New(fault.Invalid, op, "a rule needs a logsource")
	}
	r := &Rule{Logsource: d.Logsource, Status: d.Status, Tags: d.Tags,
		Rule: finding.Rule{ID: d.ID, Title: d.Title, TitleJA: d.TitleJA, Description: strings.TrimSpace(d.Description),
			Level: level, Author: d.Author, License: d.License, Techniques: techniques(d.Tags)}}
	return r, r.compile(&d.Detection)
}

// techniques picks the ATT&CK techniques of the tags: attack.t1059.004.
func techniques(tags []string) []string {
	var out []string
	for _, t := range tags {
		id := strings.ToUpper(strings.TrimPrefix(strings.ToLower(t), "attack."))
		if len(id) > 4 && id[0] == 'T' && id[1] >= '0' && id[1] <= '9' {
			out = append(out, id)
		}
	}
	return out
}

// HasTag tells whether the rule carries a tag.
func (r *Rule) HasTag(tag string) bool {
	for _, t := range r.Tags {
		if strings.EqualFold(t, tag) {
			return true
		}
	}
	return false
}

// Fields is an event as a rule sees it. A field may have several values.
type Fields interface {
	Field(name string) (values []string, ok bool)
	All(yield func(value string) bool) // for keywords
}

// Match tells whether the rule matches, and which comparisons made it so, each
// as "Field: value".
func (r *Rule) Match(f Fields) ([]string, bool) {
	for _, c := range r.conditions {
		m := &matcher{rule: r, fields: f}
		if c.eval(m) {
			return m.evidence, true
		}
	}
	return nil, false
}

type matcher struct {
	rule     *Rule
	fields   Fields
	evidence []string
}

// Limits of what a match says.
const (
	maxEvidence = 10
	maxNote     = 300
)

func (m *matcher) note(field, value string) {
	if len(m.evidence) < maxEvidence {
		if len(value) > maxNote {
			value = strings.ToValidUTF8(value[:maxNote], "") + "…"
		}
		m.evidence = append(m.evidence, field+": "+value)
	}
}
