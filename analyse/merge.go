package analyse

import (
	"sort"
	"time"

	"noroshi/event"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/observable"
)

// draft is what a batch adds to one finding.
type draft struct {
	finding.Finding
	seqs []uint64 // of the events, to count each once
	at   []time.Time
}

// drafts merges a batch by key before the ledger is asked.
type drafts struct {
	list  []*draft
	byKey map[string]*draft
}

func (d *drafts) add(e *event.Event, f finding.Finding, matched []string) {
	if d.byKey == nil {
		d.byKey = map[string]*draft{}
	}
	at := time.UnixMilli(e.Time).UTC()
	id := string(f.Org) + " " + f.Key
	x, ok := d.byKey[id]
	if !ok {
		x = &draft{Finding: f}
		d.byKey[id] = x
		d.list = append(d.list, x)
	}
	x.seqs = append(x.seqs, e.Metadata.Sequence)
	x.at = append(x.at, at)
	x.Observables = union(x.Observables, f.Observables)
	if len(x.Evidence) < finding.MaxEvidence {
		x.Evidence = append(x.Evidence, evidenceOf(e, at, matched))
	}
}

func evidenceOf(e *event.Event, at time.Time, matched []string) finding.Evidence {
	ev := finding.Evidence{EventUID: e.Metadata.UID, Time: at, Tier: e.Metadata.Provider, Summary: e.Summary(), Fields: map[string]string{}, Matched: matched}
	e.Flatten(func(k, v string) { ev.Fields[k] = v })
	return ev
}

// merge adds a draft to a finding, which may be new (its count is zero). Events
// up to LastSeq were counted before. It tells whether anything changed, and
// whether there are observables that were not there.
func merge(f *finding.Finding, d *draft) (changed, grown bool) {
	for i, seq := range d.seqs {
		if seq <= f.LastSeq {
			continue
		}
		changed = true
		f.Count++
		if f.FirstSeq == 0 || seq < f.FirstSeq {
			f.FirstSeq = seq
		}
		if f.FirstSeen.IsZero() || d.at[i].Before(f.FirstSeen) {
			f.FirstSeen = d.at[i]
		}
		if d.at[i].After(f.LastSeen) {
			f.LastSeen = d.at[i]
		}
	}
	if !changed {
		return false, false
	}
	for _, seq := range d.seqs {
		f.LastSeq = max(f.LastSeq, seq)
	}
	before := len(f.Observables)
	f.Observables = union(f.Observables, d.Observables)
	f.Evidence = evidence(f.Evidence, d.Evidence)
	return true, len(f.Observables) > before
}

func union(a, b []observable.Observable) []observable.Observable {
	out := a[:len(a):len(a)]
	for _, o := range b {
		there := false
		for _, x := range out {
			there = there || x == o
		}
		if !there && len(out) < maxObservables {
			out = append(out, o)
		}
	}
	return out
}

// evidence keeps the earliest events, each once.
func evidence(a, b []finding.Evidence) []finding.Evidence {
	seen := map[string]bool{}
	var out []finding.Evidence
	for _, list := range [][]finding.Evidence{a, b} {
		for _, e := range list {
			if !seen[e.EventUID] {
				seen[e.EventUID] = true
				out = append(out, e)
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Time.Before(out[j].Time) })
	return out[:min(len(out), finding.MaxEvidence)]
}

// ofIndicator is the finding that an indicator was seen on a node. Live matches
// and the look back share its key, so that they are one record.
func ofIndicator(ind indicator.Indicator, org, node ident.ID, device string) finding.Finding {
	return finding.Finding{Org: org, Node: node, Device: device, Realm: ind.Realm,
		Key: "indicator " + string(ind.ID) + " " + string(node), Source: finding.ByIndicator, Indicator: ind.ID,
		Rule: finding.Rule{ID: string(ind.ID), Title: "Known indicator seen: " + ind.Observable.Value,
			TitleJA: "既知の指標を観測: " + ind.Observable.Value, Description: ind.Reason, Level: levelOf(ind.Confidence), Techniques: ind.Techniques},
		Title: ind.Observable.Value, Observables: []observable.Observable{ind.Observable}}
}

func levelOf(confidence int) finding.Level {
	switch {
	case confidence >= 80:
		return finding.High
	case confidence >= 50:
		return finding.Medium
	}
	return finding.Low
}
