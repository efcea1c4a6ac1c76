package analyse

import (
	"cmp"
	"slices"
	"time"

	"noroshi/event"
	"noroshi/finding"
	"noroshi/observable"
)

// Limits of one finding.
const (
	maxObservables = 50
	maxFieldBytes  = 2 << 10  // of one value of the evidence
	maxEventBytes  = 16 << 10 // of all values of one event
)

// count adds a hit to a finding, which may be new (its count is zero). Events
// up to LastSeq were counted before. It tells whether the finding changed, and
// whether it shows observables that it did not show before.
func count(f *finding.Finding, h *hit) (changed, grown bool) {
	if f.Count > 0 && h.seq() <= f.LastSeq {
		return false, false
	}
	if f.Count == 0 {
		f.FirstSeq = h.seq()
	}
	at := time.UnixMilli(h.event.Time).UTC()
	f.Count++
	f.LastSeq = h.seq()
	widen(f, at, at)
	if len(f.Evidence) < finding.MaxEvidence || at.Before(f.Evidence[len(f.Evidence)-1].Time) {
		f.Evidence = evidence(f.Evidence, []finding.Evidence{evidenceOf(h.event, at, h.matched)})
	}
	before := len(f.Observables)
	f.Observables = union(f.Observables, h.draft.Observables)
	return true, len(f.Observables) > before
}

// widen makes the finding's time take in first and last.
func widen(f *finding.Finding, first, last time.Time) {
	if f.FirstSeen.IsZero() || first.Before(f.FirstSeen) {
		f.FirstSeen = first.UTC()
	}
	if last.After(f.LastSeen) {
		f.LastSeen = last.UTC()
	}
}

// evidenceOf keeps of an event what a reader needs, within bounds.
func evidenceOf(e *event.Event, at time.Time, matched []string) finding.Evidence {
	ev := finding.Evidence{EventUID: e.Metadata.UID, Time: at, Tier: e.Metadata.Provider, Summary: clip(e.Summary(), maxTitle),
		Fields: map[string]string{}, Matched: matched}
	left := maxEventBytes
	e.Flatten(func(name, value string) {
		value = clip(value, maxFieldBytes)
		if left -= len(name) + len(value); left >= 0 {
			ev.Fields[name] = value
		}
	})
	return ev
}

func union(a, b []observable.Observable) []observable.Observable {
	out := a[:len(a):len(a)]
	for _, o := range b {
		if len(out) < maxObservables && !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}

// evidence keeps the earliest events, each once, whatever order they come in.
func evidence(a, b []finding.Evidence) []finding.Evidence {
	seen := map[string]bool{}
	var out []finding.Evidence
	for _, e := range slices.Concat(a, b) {
		if !seen[e.EventUID] {
			seen[e.EventUID] = true
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(x, y finding.Evidence) int {
		return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.EventUID, y.EventUID))
	})
	return out[:min(len(out), finding.MaxEvidence)]
}
