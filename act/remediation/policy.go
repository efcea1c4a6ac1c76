package remediation

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"noroshi/action"
	"noroshi/fault"
)

// Policy says by when a weakness must be mended.
type Policy struct {
	Rules []Rule `yaml:"rules"`
}

// Rule is one time limit and what it is for.
type Rule struct {
	Name string `yaml:"name"`
	When struct {
		KEV        *bool          `yaml:"kev"`
		Ransomware *bool          `yaml:"ransomware"`
		Exposed    *bool          `yaml:"exposed"`
		SSVC       []string       `yaml:"ssvc"`
		Level      []action.Level `yaml:"level"`
		Importance []string       `yaml:"importance"` // of the asset
		Sector     []string       `yaml:"sector"`     // of the organisation
	} `yaml:"when"`
	Days  int    `yaml:"days"`
	Why   string `yaml:"why"`
	WhyJA string `yaml:"why_ja"`
}

const (
	maxPolicy = 64 << 10
	maxRules  = 200
	maxDays   = 730
)

var (
	decisions   = []string{"track", "track*", "attend", "act"}
	importances = []string{"low", "medium", "high"}
)

// ReadPolicy reads a policy of the form of content/remediation.yaml. Every level
// must have a rule without further conditions, so that nothing is left without a
// date.
func ReadPolicy(file string, b []byte) (*Policy, error) {
	var p Policy
	bad := func(format string, args ...any) (*Policy, error) {
		return nil, fault.New(fault.Invalid, "remediation.policy", format, args...).At("%s", file)
	}
	if len(b) > maxPolicy {
		return bad("the policy is larger than %d bytes", maxPolicy)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		return bad("not a policy: %v", err)
	}
	if len(p.Rules) > maxRules {
		return bad("there are more than %d rules", maxRules)
	}
	always := map[action.Level]bool{}
	for i, r := range p.Rules {
		if why := r.fault(); why != "" {
			return bad("rule %d (%.40q): %s", i+1, r.Name, why)
		}
		if r.plain() {
			for _, l := range r.When.Level {
				always[l] = true
			}
		}
	}
	for _, l := range action.Levels {
		if !always[l] {
			return bad("no rule gives every weakness of level %s a time: one with nothing but this level is needed", l)
		}
	}
	return &p, nil
}

// plain rules ask for nothing but the level.
func (r *Rule) plain() bool {
	w := r.When
	return w.KEV == nil && w.Ransomware == nil && w.Exposed == nil && w.SSVC == nil && w.Importance == nil && w.Sector == nil
}

func (r *Rule) fault() string {
	unknown := func(list, known []string) bool {
		return slices.ContainsFunc(list, func(x string) bool { return !slices.Contains(known, x) })
	}
	w := r.When
	switch {
	case r.Name == "" || r.Why == "" || r.WhyJA == "":
		return "it needs a name, why and why_ja"
	case len(r.Name) > 100 || len(r.Why) > 300 || len(r.WhyJA) > 600:
		return "its name or its reason is too long"
	case r.Days < 1 || r.Days > maxDays:
		return "days is a number from 1 to 730"
	case r.plain() && w.Level == nil:
		return "it says nothing about what it is for"
	case unknown(w.SSVC, decisions):
		return "ssvc is a list of track, track*, attend, act"
	case unknown(w.Importance, importances):
		return "importance is a list of low, medium, high"
	case slices.ContainsFunc(w.Level, func(l action.Level) bool { return l.Rank() == 0 }):
		return "level is a list of low, medium, high, critical"
	}
	return ""
}

func (r *Rule) fits(w *action.Weakness, sector string) bool {
	is := func(want *bool, have bool) bool { return want == nil || *want == have }
	when := &r.When
	return is(when.KEV, w.Threat.KEV) && is(when.Ransomware, w.Threat.Ransomware) && is(when.Exposed, w.Asset.Exposed) &&
		among(when.SSVC, w.Threat.SSVC) && among(when.Level, w.Level) && among(when.Importance, w.Asset.Importance) && among(when.Sector, sector)
}

func among[T comparable](list []T, x T) bool { return list == nil || slices.Contains(list, x) }

// due is the date for a weakness that was found at a moment, by the rule that
// gives the least time.
func (p *Policy) due(w *action.Weakness, sector string, from time.Time) (time.Time, *Rule) {
	var best *Rule
	for i := range p.Rules {
		if r := &p.Rules[i]; r.fits(w, sector) && (best == nil || r.Days < best.Days) {
			best = r
		}
	}
	return from.Add(time.Duration(best.Days) * day), best // ReadPolicy saw to it that one fits.
}

// priority is what is to be done first, whatever its date: first SSVC, then
// exploitation, exposure, level, importance. Sums stay below 1000.
func priority(w *action.Weakness) int {
	n := 100 * (slices.Index(decisions, w.Threat.SSVC) + 1)
	for _, x := range []struct {
		is     bool
		weight int
	}{{w.Threat.KEV, 200}, {w.Threat.Ransomware, 60}, {w.Asset.Exposed, 60}, {w.Asset.Importance == "high", 50}, {w.Asset.Importance == "medium", 20}} {
		if x.is {
			n += x.weight
		}
	}
	return n + 30*w.Level.Rank() + int(w.Threat.EPSS*100)
}
