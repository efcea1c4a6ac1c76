package affected

import (
	"slices"
	"strings"

	"noroshi/fault"
)

// osv is what is read of an advisory in the OSV schema, in JSON or YAML.
type osv struct {
	ID        string        `json:"id" yaml:"id"`
	Modified  string        `json:"modified" yaml:"modified"`
	Withdrawn string        `json:"withdrawn" yaml:"withdrawn"`
	Aliases   []string      `json:"aliases" yaml:"aliases"`
	Summary   string        `json:"summary" yaml:"summary"`
	Severity  []osvSeverity `json:"severity" yaml:"severity"`
	Affected  []struct {
		Package struct {
			Ecosystem string `json:"ecosystem" yaml:"ecosystem"`
			Name      string `json:"name" yaml:"name"`
		} `json:"package" yaml:"package"`
		Ranges []struct {
			Type   string     `json:"type" yaml:"type"`
			Events []osvEvent `json:"events" yaml:"events"`
		} `json:"ranges" yaml:"ranges"`
		Versions []string      `json:"versions" yaml:"versions"`
		Severity []osvSeverity `json:"severity" yaml:"severity"`
	} `json:"affected" yaml:"affected"`
}

// osvSeverity is a CVSS vector, whatever its type says of the version.
type osvSeverity struct {
	Score string `json:"score" yaml:"score"`
}

type osvEvent struct {
	Introduced   string `json:"introduced" yaml:"introduced"`
	Fixed        string `json:"fixed" yaml:"fixed"`
	LastAffected string `json:"last_affected" yaml:"last_affected"`
	Limit        string `json:"limit" yaml:"limit"`
}

// The limits of what one advisory may say.
const (
	maxName     = 512
	maxAliases  = 1000
	maxSummary  = 300
	maxVectors  = 8
	maxPackages = 20_000
)

// AddJSON takes one advisory in JSON, such as one that was just published, and
// counts in r what became of it.
func (a *Advisories) AddJSON(b []byte, r *Report) error { return a.entry(".json", b, r) }

// take adds an advisory and counts in r what became of it.
func (a *Advisories) take(x *osv, r *Report) error {
	if x.ID == "" || len(x.ID) > maxName || len(x.Aliases) > maxAliases || len(x.Affected) > maxPackages {
		return fault.New(fault.Invalid, "affected.advisory", "it is no OSV advisory: it has no id, or more names or packages than can be")
	}
	if x.Withdrawn != "" {
		// A withdrawn one takes what it said before with it.
		if old, ok := a.byID[x.ID]; ok && a.list[old].modified <= x.Modified {
			a.forget(old)
		}
		a.gone[x.ID] = max(a.gone[x.ID], x.Modified)
		for _, p := range x.Affected { // Of these something is known still: that it is not weak.
			if key, _, ok := packageOf(p.Package.Ecosystem, p.Package.Name); ok {
				a.types[typeOf(key)] = true
			}
		}
		r.Withdrawn++
		return nil
	}
	out := advisory{id: x.ID, modified: x.Modified, summary: clip(x.Summary), vectors: vectorsOf(nil, x.Severity)}
	for _, p := range x.Affected {
		if len(p.Package.Name) > maxName {
			return fault.New(fault.Invalid, "affected.advisory", "the name of a package is longer than %d bytes", maxName)
		}
		key, rule, ok := packageOf(p.Package.Ecosystem, p.Package.Name)
		if !ok {
			r.foreign(p.Package.Ecosystem)
			continue
		}
		ap := affectedPackage{key: key, rule: rule}
		for _, given := range p.Ranges {
			if given.Type != "ECOSYSTEM" && given.Type != "SEMVER" {
				continue // GIT: commits are nobody's installed version.
			}
			s, err := spanOf(given.Events, rule.Valid)
			if err != nil {
				r.Note(x.ID, err)
				continue
			}
			s.sort(rule)
			ap.ranges = append(ap.ranges, s)
		}
		if len(p.Versions) > 0 {
			ap.versions = "\n" + strings.Join(p.Versions, "\n") + "\n"
		}
		// Red Hat and SUSE say the same of a package for each product that has it.
		if last := len(out.affected) - 1; last >= 0 && out.affected[last].says(&ap) {
			continue
		}
		if len(ap.ranges) > 0 || ap.versions != "" {
			out.affected = append(out.affected, ap)
			out.vectors = vectorsOf(out.vectors, p.Severity)
		}
	}
	if len(out.affected) == 0 {
		r.Unusable++
		return nil
	}
	r.Advisories++
	r.names = append(r.names, x.ID)
	a.add(out, x.Aliases)
	return nil
}

// vectorsOf appends the CVSS vectors that are not in the list yet.
func vectorsOf(list []string, more []osvSeverity) []string {
	for _, s := range more {
		if strings.HasPrefix(s.Score, "CVSS:") && len(s.Score) <= maxName && len(list) < maxVectors && !slices.Contains(list, s.Score) {
			list = append(list, s.Score)
		}
	}
	return list
}

// spanOf reads the events of a range.
func spanOf(list []osvEvent, valid func(string) bool) (s span, err error) {
	for _, e := range list {
		for _, x := range []event{{introduced, e.Introduced}, {fixed, e.Fixed}, {lastAffected, e.LastAffected}, {limited, e.Limit}} {
			switch {
			case x.at == "" || x.kind == limited && x.at == "*":
			case x.kind == introduced && x.at == "0":
				s.events = append(s.events, event{kind: beginning})
			case !valid(x.at):
				return s, fault.New(fault.Invalid, "affected.range", "%q is no version of its ecosystem", clip(x.at))
			default:
				s.events = append(s.events, x)
			}
		}
	}
	return s, nil
}

func clip(s string) string {
	if len(s) > maxSummary {
		return strings.ToValidUTF8(s[:maxSummary], "") + "…"
	}
	return s
}
