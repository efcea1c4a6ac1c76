package remediation

import (
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"noroshi/access"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
)

// Bounds of a survey. A source that has more to say says it in several.
const (
	MaxWeaknesses = 20_000
	maxAnswered   = 300_000
	maxCovered    = 70_000 // assets, ranges or ports
	maxChecks     = 100
	maxOrgs       = 2000
	maxEvidence   = 10
	ahead         = 5 * time.Minute // how far a scanner's clock may be ahead
)

const opTake = "remediation.take"

// check refuses what is no survey, with its place.
func (r *Remediation) check(s access.Scope, v *action.Survey) error {
	bad := func(place, format string, args ...any) error {
		return fault.New(fault.Invalid, opTake, format, args...).At("%s", place)
	}
	if _, err := ident.Parse(ident.Survey, string(v.ID)); err != nil {
		return bad("id", "%s", fault.PublicOf(err))
	}
	now := r.now()
	switch {
	case !slices.Contains(action.Sources, v.Source):
		return bad("source", "%.40q is not a source (surface, sbom, iot)", string(v.Source))
	case v.Realm == label.RealmUnknown:
		return bad("realm", "say whether it is real or an exercise")
	case v.Began.IsZero() || v.Ended.Before(v.Began):
		return bad("ended", "a survey begins, and ends after that")
	case v.Ended.After(now.Add(ahead)):
		return bad("ended", "the survey ends at %s, which is not yet: is the clock of who looked right?", v.Ended.UTC().Format(time.RFC3339))
	case v.By == "":
		return bad("by", "say who or what looked")
	case len(v.Weaknesses) > MaxWeaknesses:
		return fault.New(fault.TooLarge, opTake, "a survey holds at most %d weaknesses; hand in several", MaxWeaknesses).At("weaknesses")
	case len(v.Orgs) > maxOrgs:
		return fault.New(fault.TooLarge, opTake, "a survey speaks of at most %d organisations; hand in several", maxOrgs).At("orgs")
	}
	if !s.Allows(v.Org) {
		return outside("org", v.Org)
	}
	for i, o := range v.Orgs {
		if !s.Allows(o) {
			return outside(index("orgs", i), o)
		}
	}
	if place, why := badText(map[string]text{"by": {v.By, 200}, "basis": {v.Basis, 1000}}); why != "" {
		return bad(place, "%s", why)
	}
	if err := checkCoverage(&v.Coverage); err != nil {
		return err
	}
	for i := range v.Weaknesses {
		w := &v.Weaknesses[i]
		at := index("weaknesses", i)
		if w.Org != "" && !s.Allows(w.Org) {
			return outside(at+".org", w.Org)
		}
		if !slices.Contains(v.Coverage.Checks, w.Check) {
			return bad(at+".check", "%.64q is not among the checks of the coverage", w.Check)
		}
		if w.Decision != nil && v.Source != action.BySBOM {
			return bad(at+".decision", "decisions are about components; what %s sees is refuted by a person", v.Source)
		}
		if place, why := weaknessFault(w); why != "" {
			return bad(at+"."+place, "%s", why)
		}
	}
	return nil
}

// outside is said of organisations that are not there and of those out of reach.
func outside(place string, o ident.ID) error {
	return fault.New(fault.NotFound, opTake, "there is no organisation %.40q here", string(o)).At("%s", place)
}

func index(list string, i int) string { return list + "[" + itoa(i) + "]" }

func checkCoverage(c *action.Coverage) error {
	const op = opTake
	for _, x := range []struct {
		name   string
		n, max int
	}{{"checks", len(c.Checks), maxChecks}, {"assets", len(c.Assets), maxCovered}, {"ranges", len(c.Ranges), maxCovered},
		{"excluded", len(c.Excluded), maxCovered}, {"ports", len(c.Ports), maxCovered}, {"answered", len(c.Answered), maxAnswered}, {"unknown", len(c.Unknown), maxAnswered}} {
		if x.n > x.max {
			return fault.New(fault.TooLarge, op, "it holds at most %d", x.max).At("coverage.%s", x.name)
		}
	}
	if len(c.Checks) == 0 {
		return fault.New(fault.Invalid, op, "say which checks were made").At("coverage.checks")
	}
	for name, list := range map[string][]string{"checks": c.Checks, "assets": c.Assets, "ports": c.Ports, "answered": c.Answered, "unknown": c.Unknown} {
		for i, x := range list {
			if _, why := badText(map[string]text{"": {x, 300}}); why != "" || x == "" {
				return fault.New(fault.Invalid, op, "an entry is empty, longer than 300 bytes, or not UTF-8").At("coverage.%s", index(name, i))
			}
		}
	}
	return nil
}

// text is a text and how many bytes it may have.
type text struct {
	value string
	max   int
}

func badText(list map[string]text) (place, why string) {
	for name, t := range list {
		if len(t.value) > t.max {
			return name, "it is longer than " + itoa(t.max) + " bytes"
		}
		if !utf8.ValidString(t.value) || strings.ContainsRune(t.value, 0) {
			return name, "it is not UTF-8, or holds a NUL character"
		}
	}
	return "", ""
}

func weaknessFault(w *action.Weakness) (place, why string) {
	for name, x := range map[string]string{"asset.kind": w.Asset.Kind, "asset.key": w.Asset.Key, "place": w.Place, "name": w.Name, "title": w.Title} {
		if x == "" {
			return name, "it is missing"
		}
	}
	t := w.Threat
	if place, why := badText(map[string]text{"asset.kind": {w.Asset.Kind, 32}, "asset.key": {w.Asset.Key, 300}, "asset.name": {w.Asset.Name, 300}, "place": {w.Place, 500},
		"name": {w.Name, 200}, "title": {w.Title, 300}, "title_ja": {w.TitleJA, 600}, "version": {w.Version, 200}, "fix": {w.Fix, 2000}, "fix_ja": {w.FixJA, 4000},
		"reference": {w.Reference, 500}, "threat.why": {t.Why, 1000}, "threat.why_ja": {t.WhyJA, 2000}}); why != "" {
		return place, why
	}
	if d := w.Decision; d != nil {
		if place, why := badText(map[string]text{"justification": {d.Justification, 100}, "why": {d.Why, 2000}, "why_ja": {d.WhyJA, 4000}}); why != "" {
			return "decision." + place, why
		}
		if d.Status != "not_affected" && d.Status != "fixed" || d.Why == "" {
			return "decision", "it is not_affected or fixed, and says why"
		}
	}
	switch {
	case w.Level.Rank() == 0:
		return "level", "it is low, medium, high or critical"
	case w.Asset.Importance != "" && !slices.Contains(importances, w.Asset.Importance):
		return "asset.importance", "it is low, medium or high, or left out"
	case t.SSVC != "" && !slices.Contains(decisions, t.SSVC):
		return "threat.ssvc", "it is track, track*, attend or act, or left out"
	case !(t.EPSS >= 0 && t.EPSS <= 1):
		return "threat.epss", "it is a probability from 0 to 1"
	case !(t.CVSS >= 0 && t.CVSS <= 10):
		return "threat.cvss", "it is a number from 0 to 10"
	case len(w.Evidence) > maxEvidence:
		return "evidence", "there is more than " + itoa(maxEvidence)
	}
	if u, err := url.Parse(w.Reference); w.Reference != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		return "reference", "it is not an http or https address"
	}
	for i, e := range w.Evidence {
		if place, why := badText(map[string]text{"text": {e.Text, 1000}, "by": {e.By, 200}}); why != "" {
			return index("evidence", i) + "." + place, why
		}
	}
	return "", ""
}
