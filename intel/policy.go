package intel

import (
	"bytes"
	"embed"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"noroshi/fault"
	"noroshi/finding"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/observable"
)

// Policy says which findings become indicators without being asked for. Decide
// "auto" puts them to use if the gate passes them; "ask" leaves each to a person.
type Policy struct {
	Name  string `yaml:"name"`
	Realm string `yaml:"realm"` // real, exercise
	When  struct {
		Source     []finding.Source  `yaml:"source"` // sigma, indicator, hunt
		Level      finding.Level     `yaml:"level"`  // at least
		Rules      []string          `yaml:"rules"`  // ids; empty means any
		Techniques []string          `yaml:"techniques"`
		Kinds      []observable.Kind `yaml:"kinds"`  // of observables
		Suffix     string            `yaml:"suffix"` // of names
	} `yaml:"when"`
	Then struct {
		Decide     string           `yaml:"decide"` // auto, ask
		Action     indicator.Action `yaml:"action"`
		Confidence int              `yaml:"confidence"`
		TLP        label.TLP        `yaml:"tlp"`
		PAP        label.PAP        `yaml:"pap"`
		Valid      time.Duration    `yaml:"valid"`
		Reason     string           `yaml:"reason"`
		ReasonJA   string           `yaml:"reason_ja"`
	} `yaml:"then"`
	realm label.Realm
}

//go:embed policies/*.yml
var defaults embed.FS

// Policies reads the project's own policies and those of the given folders. An
// unknown key is an error that names file and line.
func Policies(dirs ...fs.FS) ([]Policy, error) {
	var out []Policy
	for _, dir := range append([]fs.FS{defaults}, dirs...) {
		err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(name) != ".yml" {
				return err
			}
			b, err := fs.ReadFile(dir, name)
			if err != nil {
				return err
			}
			p, err := ParsePolicy(name, b)
			out = append(out, p)
			return err
		})
		if err != nil {
			return nil, fault.Wrap("intel.policies", err)
		}
	}
	return out, nil
}

const maxPolicy = 64 << 10

// ParsePolicy reads one policy.
func ParsePolicy(file string, b []byte) (Policy, error) {
	const op = "intel.policy"
	var p Policy
	bad := func(format string, args ...any) (Policy, error) {
		return Policy{}, fault.New(fault.Invalid, op, format, args...).At("%s", file)
	}
	if len(b) > maxPolicy {
		return bad("the policy is larger than %d bytes", maxPolicy)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		return bad("not a policy: %v", err)
	}
	var err error
	p.realm, err = label.ParseRealm(p.Realm)
	t := p.Then
	switch {
	case err != nil:
		return bad("%s", fault.PublicOf(err))
	case p.Name == "" || t.Reason == "":
		return bad("a policy needs a name and a reason that the blocked can read")
	case t.Decide != "auto" && t.Decide != "ask":
		return bad("decide is auto or ask, not %q", t.Decide)
	case p.When.Level.Rank() == 0:
		return bad("%q is not a level", p.When.Level)
	case len(p.When.Kinds) == 0 || len(p.When.Source) == 0:
		return bad("say of which sources and which kinds of observables")
	case t.TLP == label.TLPUnknown || t.PAP == label.PAPUnknown || t.Valid <= 0 || t.Valid > MaxValid:
		return bad("say tlp, pap and valid")
	}
	return p, nil
}

// propose returns what the policy makes of a finding: one proposal for each of
// its observables that fit.
func (p *Policy) propose(f finding.Finding) []Proposal {
	w := p.When
	if f.Realm != p.realm || f.State != finding.New || !slices.Contains(w.Source, f.Source) || f.Rule.Level.Rank() < w.Level.Rank() {
		return nil
	}
	if len(w.Rules) > 0 && !slices.Contains(w.Rules, f.Rule.ID) {
		return nil
	}
	if len(w.Techniques) > 0 && !slices.ContainsFunc(w.Techniques, func(t string) bool { return slices.Contains(f.Rule.Techniques, t) }) {
		return nil
	}
	var out []Proposal
	for _, o := range f.Observables {
		if !slices.Contains(w.Kinds, o.Kind) || !strings.HasSuffix(o.Value, w.Suffix) {
			continue
		}
		out = append(out, Proposal{Org: f.Org, Observable: o, Marking: label.Marking{TLP: p.Then.TLP, PAP: p.Then.PAP, Realm: p.realm},
			Action: p.Then.Action, Confidence: p.Then.Confidence, Valid: p.Then.Valid, Reason: p.Then.Reason, ReasonJA: p.Then.ReasonJA,
			Techniques: f.Rule.Techniques, Finding: f.ID, Policy: p.Name, Hold: p.Then.Decide == "ask", T0: f.FirstSeen, T1: f.FoundAt})
	}
	return out
}
