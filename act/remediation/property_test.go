package remediation_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noroshi/access"
	"noroshi/act/remediation"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

// machine drives random surveys and random work over a handful of weaknesses, and
// looks after each step whether what happened may happen.
type machine struct {
	*rig
	t     *rapid.T
	orgs  []ident.ID
	ids   map[string]ident.ID // by organisation and fingerprint: the one record
	last  map[ident.ID]action.Action
	quiet map[ident.ID]int // silences in a row that count
	tb    *testing.T
}

func (m *machine) all() map[ident.ID]action.Action {
	out := map[ident.ID]action.Action{}
	must(m.t, m.Each(m.tb.Context(), m.hub, remediation.Filter{}, func(a action.Action) error {
		if slices.Contains(m.orgs, a.Org) {
			if _, twice := out[a.ID]; twice {
				m.t.Fatalf("%s is listed twice", a.ID)
			}
			out[a.ID] = a
		}
		return nil
	}))
	return out
}

func (m *machine) weaknesses() (list []action.Weakness) {
	for _, o := range m.orgs {
		for host := 1; host <= 2; host++ {
			for _, check := range []string{"tls", "web"} {
				w := weakness(o, host, "n", action.High)
				w.Check = check
				list = append(list, w)
			}
		}
	}
	return list
}

// look covers some organisations, checks and hosts, and sees some of what it
// covers, of which some is decided to be no weakness.
func (m *machine) look() {
	v := m.rig.survey(rapid.SampledFrom(m.orgs).Draw(m.t, "org"), nil)
	v.Source = action.BySBOM
	if rapid.Bool().Draw(m.t, "both") {
		v.Orgs = m.orgs
	}
	v.Coverage.Checks = rapid.SampledFrom([][]string{{"tls"}, {"web"}, {"tls", "web"}}).Draw(m.t, "checks")
	if rapid.IntRange(0, 3).Draw(m.t, "excluded") == 0 {
		v.Coverage.Excluded = v.Coverage.Ranges
	}
	v.Coverage.Answered = rapid.SampledFrom([][]string{nil, at(1), at(2), at(1, 2)}).Draw(m.t, "answered")
	if rapid.IntRange(0, 4).Draw(m.t, "late") == 0 {
		v.Began, v.Ended = v.Began.Add(-90*time.Minute), v.Ended.Add(-90*time.Minute)
	}
	covers := append([]ident.ID{v.Org}, v.Orgs...)
	met, decided := map[string]bool{}, map[string]bool{}
	for _, w := range m.weaknesses() {
		if slices.Contains(covers, w.Org) && slices.Contains(v.Coverage.Checks, w.Check) && slices.Contains(v.Coverage.Answered, w.Asset.Key+" "+w.Place) && rapid.Bool().Draw(m.t, "seen") {
			k := string(w.Org) + action.Fingerprint(v.Source, w)
			if met[k] = true; rapid.IntRange(0, 2).Draw(m.t, "decided") == 0 {
				decided[k] = true
				w.Decision = &action.Decision{Status: "not_affected", Why: rapid.SampledFrom([]string{"one", "two"}).Draw(m.t, "why"), WhyJA: "影響なし"}
			}
			v.Weaknesses = append(v.Weaknesses, w)
		}
	}
	m.take(m.tb, v)
	look := v.Coverage.Looker()
	for id, a := range m.all() {
		was, known := m.last[id]
		stale := known && v.Ended.Before(was.LastLooked)
		seen := met[string(a.Org)+a.Fingerprint]
		not := decided[string(a.Org)+a.Fingerprint]
		l := look(a.Weakness.Check, a.Weakness.Asset, a.Weakness.Place)
		covered := slices.Contains(covers, a.Org)
		switch {
		case seen && !stale && a.State == action.Proved:
			m.t.Fatalf("it is seen and proved to be gone: %+v", a)
		case seen && not && !stale && a.State != action.Refuted:
			m.t.Fatalf("it is decided, and is %s: %+v", a.State, a)
		case !known:
			if !seen || !not && a.State != action.Open {
				m.t.Fatalf("nobody saw it: %+v", a)
			}
		case was.State != action.Refuted && a.State == action.Refuted && (!not || stale):
			m.t.Fatalf("a survey without a decision refuted it: %+v", a)
		case lasts(was) && seen && !not && !stale && (a.State != action.Open || a.Reopened != was.Reopened+1 || !a.Due.After(m.now)):
			m.t.Fatalf("the decision is gone, and it is %+v", a)
		case lasts(was) && !seen && a.State != action.Refuted:
			m.t.Fatalf("nobody saw it without its decision, and it is %+v", a)
		case was.State.Live() && a.State == action.Proved && (!covered || seen || stale || l == action.Uncovered):
			m.t.Fatalf("it was proved by a survey that did not look: %+v", a)
		case was.State.Live() && a.State == action.Proved && l == action.Silent && m.quiet[id] == 0:
			m.t.Fatalf("one silence proved it: %+v", a)
		case was.State.Live() && covered && !seen && !stale && l == action.Judged && v.Ended.After(was.LastSeen) && a.State != action.Proved:
			m.t.Fatalf("it was looked at, was not there, and is %s", a.State)
		case was.State == action.Refuted && a.State != action.Refuted && was.RefutedUntil.After(v.Ended):
			m.t.Fatalf("a survey took a refutation back: %+v", a)
		case was.State == action.Proved && a.State == action.Open && (a.Reopened != was.Reopened+1 || !seen):
			m.t.Fatalf("it came back wrongly: %+v", a)
		case !covered && !same(was, a):
			m.t.Fatalf("another organisation's action changed: %+v to %+v", was, a)
		}
		switch {
		case seen && !stale || a.State == action.Proved:
			m.quiet[id] = 0
		case covered && !stale && l == action.Silent && a.State.Live():
			m.quiet[id]++
		}
	}
}

// lasts tells what a decision refutes.
func lasts(a action.Action) bool { return a.State == action.Refuted && a.RefutedUntil.IsZero() }

func same(a, b action.Action) bool {
	return a.State == b.State && a.Version == b.Version && a.LastLooked.Equal(b.LastLooked)
}

func (m *machine) work() {
	all := m.all()
	if len(all) == 0 {
		return
	}
	ids := make([]ident.ID, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	a := all[rapid.SampledFrom(ids).Draw(m.t, "id")]
	who := rapid.SampledFrom([]string{"one", "two"}).Draw(m.t, "who")
	s, ctx := m.as(m.tb, who, "org_0", access.Administrator, access.WorkActions), m.tb.Context()
	until := m.now.Add(time.Duration(rapid.IntRange(1, 20).Draw(m.t, "days")) * day)
	var err error
	switch rapid.SampledFrom([]string{"assign", "claim", "comment", "except", "approve", "refuse", "refute"}).Draw(m.t, "what") {
	case "assign":
		_, err = m.Assign(ctx, s, a.ID, a.Version, "x")
	case "claim":
		_, err = m.Claim(ctx, s, a.ID, a.Version, "x")
	case "comment":
		_, err = m.Comment(ctx, s, a.ID, a.Version, "x")
	case "except":
		_, err = m.Except(ctx, s, a.ID, a.Version, "x", until)
	case "approve":
		var x action.Action
		if x, err = m.Approve(ctx, s, a.ID, a.Version, "x"); err == nil && x.Exception.AskedBy == x.Exception.Approver {
			m.t.Fatalf("one person asked and approved: %+v", x)
		}
	case "refuse":
		_, err = m.Refuse(ctx, s, a.ID, a.Version, "x")
	case "refute":
		_, err = m.Refute(ctx, s, a.ID, a.Version, "x", until)
	}
	if k := fault.KindOf(err); err != nil && k != fault.Conflict && k != fault.Denied {
		m.t.Fatal(err)
	}
	m.onlySurveysProve("work")
}

func (m *machine) wait() {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 300).Draw(m.t, "hours")) * time.Hour)
	must(m.t, m.Tick(m.tb.Context()))
	m.onlySurveysProve("time")
	for _, a := range m.all() {
		if e := a.Exception; a.State == action.Excepted && !e.Until.After(m.now) || a.State == action.Refuted && !lasts(a) && !a.RefutedUntil.After(m.now) {
			m.t.Fatalf("it has ended and still counts: %+v", a)
		}
	}
}

func (m *machine) onlySurveysProve(what string) {
	for id, a := range m.all() {
		if a.State == action.Proved && m.last[id].State != action.Proved {
			m.t.Fatalf("%s proved %+v", what, a)
		}
	}
}

// check holds after every step.
func (m *machine) check() {
	all := m.all()
	states := map[action.State]int64{}
	for id, a := range all {
		k := string(a.Org) + a.Fingerprint
		if first := m.ids[k]; first != "" && first != id {
			m.t.Fatalf("one weakness has two records, %s and %s", first, id)
		}
		m.ids[k] = id
		states[a.State]++
		if (a.State == action.Proved) != (a.Proof != nil) || a.State.Live() != a.Ended.IsZero() {
			m.t.Fatalf("%+v is at odds with itself", a)
		}
		if lasts(a) && (a.Weakness.Decision == nil || a.Why != a.Weakness.Decision.Why) {
			m.t.Fatalf("%+v is refuted by nobody", a)
		}
	}
	for id := range m.last {
		if _, ok := all[id]; !ok {
			m.t.Fatalf("%s is gone", id)
		}
	}
	counted := map[action.State]int64{}
	for _, o := range m.orgs {
		c, err := m.Counts(m.tb.Context(), m.hub, o, 0)
		must(m.t, err)
		for s, n := range c {
			counted[s] += n
		}
	}
	for _, s := range action.States {
		if counted[s] != states[s] {
			m.t.Fatalf("%d are %s, %d are counted", states[s], s, counted[s])
		}
	}
	m.last = all
}

// TestNothingButASurveyProves: whatever surveys and people do in whatever order, a
// weakness keeps its one record, and only a survey that looked there proves it gone.
func TestNothingButASurveyProves(t *testing.T) {
	db, run := ledgertest.SQLite(t), 0
	rapid.Check(t, func(rt *rapid.T) {
		run++ // Each run has organisations of its own in the one ledger.
		orgs := []ident.ID{ident.ID(fmt.Sprintf("org_%da", run)), ident.ID(fmt.Sprintf("org_%db", run))}
		r := newRig(t, db, org.Organisation{ID: "org_0"}, org.Organisation{ID: orgs[0], Parent: "org_0"}, org.Organisation{ID: orgs[1], Parent: "org_0"})
		m := &machine{rig: r, t: rt, tb: t, orgs: orgs, ids: map[string]ident.ID{}, last: map[ident.ID]action.Action{}, quiet: map[ident.ID]int{}}
		rt.Repeat(map[string]func(*rapid.T){
			"survey": func(x *rapid.T) { m.t = x; m.look() }, "work": func(x *rapid.T) { m.t = x; m.work() }, "wait": func(x *rapid.T) { m.t = x; m.wait() },
			"": func(x *rapid.T) { m.t = x; m.check() },
		})
	})
}
