package systems

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"noroshi/action"
	"noroshi/analyse/affected"
	"noroshi/analyse/exploited"
	"noroshi/analyse/ssvc"
	"noroshi/bom"
)

// check is the check that a match with advisories is.
const check = "sbom"

// key is what a weakness of a system is known by.
type key struct{ place, name string }

func keyOf(h affected.Hit) key {
	place := h.Component
	if p, err := bom.ParsePURL(h.PURL); err == nil {
		place = bare(p)
	} else if h.Confidence != "" {
		place = strings.TrimSuffix(place, " "+versionOf(h)) // A component without package URL is one over its versions, too.
	}
	return key{clip(place, maxPlace), clip(h.Weakness.Weakness, maxName)}
}

// fingerprint is that of the action which a hit becomes.
func fingerprint(system string, k key) string {
	return action.Fingerprint(action.BySBOM, action.Weakness{Asset: action.Asset{Kind: "system", Key: system}, Place: k.place, Check: check, Name: k.name})
}

// Bounds of what a survey takes.
const (
	maxText     = 300
	maxPlace    = 500
	maxTitle    = 280
	maxVersion  = 200
	maxEvidence = 10
)

// weaknesses makes of a system's hits what a survey says: one weakness for each
// package that has it, in however many versions and places it is there; only those
// that some hits are of, if these are given.
func weaknesses(s System, attacks *exploited.Known, at affected.Place, hits, only []affected.Hit) (list []action.Weakness) {
	var wanted map[key]bool
	if only != nil {
		wanted = map[key]bool{}
		for _, h := range only {
			wanted[keyOf(h)] = true
		}
	}
	of, order := map[key][]affected.Hit{}, []key{}
	for _, h := range hits {
		k := keyOf(h)
		if wanted != nil && !wanted[k] {
			continue
		}
		if of[k] == nil {
			order = append(order, k)
		}
		of[k] = append(of[k], h)
	}
	slices.SortFunc(order, func(a, b key) int {
		return slices.Compare([]string{a.place, a.name}, []string{b.place, b.name})
	})
	for _, k := range order {
		list = append(list, weakness(s, attacks, at, k, of[k]))
	}
	return list
}

func weakness(s System, attacks *exploited.Known, at affected.Place, k key, hits []affected.Hit) action.Weakness {
	if open := slices.DeleteFunc(slices.Clone(hits), affected.Hit.Silent); len(open) > 0 {
		hits = open // What is decided of some versions leaves the others to be mended.
	}
	first := hits[0]
	pkg := strings.TrimPrefix(k.place, "pkg:")
	answer := first.Judge(attacks, at)
	w := action.Weakness{Org: s.Org, Asset: action.Asset{Kind: "system", Key: s.Name, Name: s.Name, Importance: s.Importance, Exposed: at.Exposure > ssvc.Inside},
		Place: k.place, Check: check, Name: k.name, Level: levelOf(first.Score), Threat: threatOf(first, answer),
		TitleJA: clip(pkg, maxTitle) + " の既知の脆弱性", Reference: "https://osv.dev/vulnerability/" + url.PathEscape(clip(first.By[0], maxName/2))}
	if first.Confidence != "" {
		w.Reference = "https://nvd.nist.gov/vuln/detail/" + url.PathEscape(clip(first.Weakness.Weakness, maxName/2))
	}
	if first.Silent() {
		w.Decision = refutation(first.Decision)
	}
	if w.Title = clip(first.Summary, maxTitle); w.Title == "" {
		w.Title = "A known weakness of " + clip(pkg, maxTitle-30)
	}
	var found, fixes []string
	for _, h := range hits {
		found = add(found, versionOf(h))
		fixes = add(fixes, h.Fixed)
		if len(w.Evidence) < maxEvidence {
			w.Evidence = append(w.Evidence, action.Evidence{At: s.InForce.At, Text: clip(evidence(s, h), 1000), By: string(s.ID)})
		}
	}
	w.Version = clip(strings.Join(found, ", "), maxVersion)
	if fixes[0] == "" { // Sorted: one of them knows no fix.
		w.Fix = "No fixed version of " + clip(pkg, maxText) + " is known: take it out, or see what the advisory says."
		w.FixJA = clip(pkg, maxText) + " の修正版は公表されていません。使用をやめるか、勧告の回避策に従ってください。"
	} else {
		to := clip(strings.Join(fixes, ", "), maxVersion)
		w.Fix = fmt.Sprintf("Upgrade %s to %s or later, and hand in the new bill of materials.", clip(pkg, maxText), to)
		w.FixJA = fmt.Sprintf("%s を %s 以降に更新し、新しい部品表(SBOM)を提出してください。", clip(pkg, maxText), to)
	}
	return w
}

// levelOf is CVSS's rating; without a score nobody said how bad it is.
func levelOf(score float64) action.Level {
	switch {
	case score >= 9:
		return action.Critical
	case score >= 7:
		return action.High
	case score > 0 && score < 4:
		return action.Low
	}
	return action.Medium
}

func threatOf(h affected.Hit, a ssvc.Answer) action.Threat {
	t := action.Threat{CVSS: h.Score, SSVC: a.Decision.String(), Why: clip(a.Why, 1000), WhyJA: clip(a.WhyJA, 2000)}
	if known := h.Threat; known != nil {
		t.EPSS = known.EPSS
		if k := known.KEV; k != nil {
			t.KEV, t.KEVAdded, t.Ransomware = true, k.Added, k.Ransomware
		}
	}
	return t
}

// add inserts into a sorted list what is not in it.
func add(list []string, s string) []string {
	at, there := slices.BinarySearch(list, s)
	if there {
		return list
	}
	return slices.Insert(list, at, s)
}

// versionOf is the version of the component that is hit.
func versionOf(h affected.Hit) string {
	if p, err := bom.ParsePURL(h.PURL); err == nil && p.Version != "" {
		return p.Version
	}
	return h.Component[strings.LastIndexByte(h.Component, ' ')+1:]
}

// evidence says how a component came into a system, and who says what of it.
func evidence(s System, h affected.Hit) string {
	way := "its bill of materials does not say through what"
	switch path := h.Path(); {
	case len(path) == 1:
		way = "directly"
	case len(path) > 1:
		way = "through " + strings.Join(path[:len(path)-1], " → ")
	}
	said := fmt.Sprintf("%s %s has %s (%s), says bill of materials %d (sha256:%.16s…); advisories: %s", s.Name, s.InForce.Version, h.Component, way,
		s.InForce.Number, s.InForce.SHA256, strings.Join(h.By, ", "))
	if h.Confidence != "" {
		said += ", by the name of the product (CPE): " + h.Confidence + " confidence, since it does not know what a distribution mended"
	}
	return said
}

// clip makes of what others wrote a text of at most so many bytes, cut between
// letters, without what no record keeps.
func clip(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(s, "·"))
	if len(s) <= most {
		return s
	}
	s = s[:most-len("…")]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
