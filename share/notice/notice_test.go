package notice_test

import (
	"encoding/csv"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noroshi/access"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/share/notice"
)

// TestANoticeLivesUntilASurveyProvesIt follows one device from the first look to
// the proof, and to its return.
func TestANoticeLivesUntilASurveyProvesIt(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		seen := []action.Weakness{weak("192.0.2.1", "exposed", "tcp/23", "exposed-telnet"), weak("192.0.2.1", "exposed", "tcp/80", "exposed-admin-http"), weak("192.0.2.1", "firmware", "tcp/80", "CVE-2021-20090"),
			weak("198.51.100.7", "exposed", "tcp/23", "exposed-telnet"), weak("203.0.113.1", "exposed", "tcp/23", "exposed-telnet")}
		rep := r.report(seen)
		rep.Devices = []notice.Device{{Address: netip.MustParseAddr("192.0.2.1"), Kind: "router", Maker: "buffalo", Name: "Buffalo WSR", NameJA: "バッファロー WSR", Confidence: 90, Rules: []string{"buffalo-realm"}, Places: []string{"tcp/23", "tcp/80"}}}
		r.want(r.take(rep), "new 3 seen 0 fixed 0 silent 0 unrouted 1")
		r.want(r.take(rep), "new 0 seen 3 fixed 0 silent 0 unrouted 1") // Handed in again, it changes nothing.
		if len(r.took) != 2 || r.took[0].Weaknesses[0].Org != "org_a" || r.took[0].Weaknesses[4].Org != "" || fmt.Sprint(r.took[1].Orgs) != "[org_a org_b]" {
			t.Errorf("the keeper of actions was told %+v", r.took)
		}
		var exposed notice.Notice
		for _, x := range r.list(r.all) {
			if x.Org == "org_a" && x.Group == notice.Exposed {
				exposed = x
			}
		}
		if len(exposed.Weak) != 2 || exposed.State != notice.Made || exposed.Device.Maker != "buffalo" || exposed.Basis != "law 5" {
			t.Fatalf("%+v", exposed)
		}
		sent, err := r.Send(t.Context(), r.all, "org_a", label.Real)
		must(t, err)
		if len(sent) != 2 {
			t.Errorf("%d notices were sent", len(sent))
		}
		x, err := r.SetState(t.Context(), r.all, exposed.ID, 2, notice.Handed, "by post")
		must(t, err)
		if _, err := r.SetState(t.Context(), r.all, x.ID, x.Version, notice.Fixed, ""); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a person says that it is fixed: %v", err)
		}
		if _, err := r.SetState(t.Context(), r.all, x.ID, x.Version-1, notice.Unreachable, ""); fault.KindOf(err) != fault.Conflict {
			t.Errorf("over what nobody saw: %v", err)
		}

		// One door is closed, the other one stays: the notice says what is left.
		r.now = r.now.Add(24 * time.Hour)
		r.want(r.take(r.report(seen[1:4], "192.0.2.1 tcp/23", "192.0.2.1 tcp/80")), "new 0 seen 3 fixed 0 silent 0 unrouted 0")
		if x = r.one(x.ID); len(x.Weak) != 1 || x.Weak[0].Place != "tcp/80" || x.State != notice.Handed {
			t.Errorf("%+v", x)
		}
		// A survey of elsewhere says nothing of it.
		r.now = r.now.Add(24 * time.Hour)
		other := r.report(nil)
		other.Survey.Coverage.Ranges = []netip.Prefix{netip.MustParsePrefix("192.0.2.128/25")}
		r.want(r.take(other), "new 0 seen 0 fixed 0 silent 0 unrouted 0")
		// It answers, and is weak no more.
		r.now = r.now.Add(24 * time.Hour)
		r.want(r.take(r.report(seen[2:4], "192.0.2.1 tcp/80")), "new 0 seen 2 fixed 1 silent 0 unrouted 0")
		if x = r.one(x.ID); x.State != notice.Fixed || x.Proof != "seen" || len(x.Weak) != 1 || !x.EndedAt.Equal(r.now) {
			t.Errorf("%+v", x)
		}
		h, err := r.History(t.Context(), r.all, x.ID)
		must(t, err)
		var said []string
		for _, c := range h {
			said = append(said, c.Action)
		}
		if got := strings.Join(said, " "); got != "made sent handed fixed" {
			t.Errorf("its history is %s", got)
		}
		// It returns: a notice of its own, which knows the one before.
		r.now = r.now.Add(24 * time.Hour)
		r.want(r.take(r.report(seen[:4])), "new 1 seen 2 fixed 0 silent 0 unrouted 0")
		for _, y := range r.list(r.all) {
			if y.Group == notice.Exposed && y.Org == "org_a" && y.State == notice.Made && y.Before != x.ID {
				t.Errorf("%+v", y)
			}
		}
		n, err := r.Forget(t.Context(), "org_a", r.now.Add(-time.Hour))
		must(t, err)
		if n != 1 {
			t.Errorf("%d that ended were forgotten", n)
		}
		if n, err = r.Forget(t.Context(), "org_a", time.Time{}); err != nil || n != 2 || len(r.list(r.all)) != 1 {
			t.Errorf("%d were forgotten: %v", n, err)
		}
		must(t, db.Read(t.Context(), func(q ledger.Queryer) error {
			for _, table := range []string{"notice", "notice_seen", "notice_rule", "notice_feedback", "notice_check", "notice_survey"} {
				var k int
				if err := q.QueryRow(t.Context(), `SELECT COUNT(*) FROM `+table+` WHERE org = 'org_a'`).Scan(&k); err != nil || k != 0 {
					t.Errorf("%s keeps %d rows: %v", table, k, err)
				}
			}
			return nil
		}))
	})
}

func TestSilenceClosesAfterThreeDaysAndInfectionAfterAWeek(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	infected := weak("192.0.2.2", "infected", "traffic", "infected-mirai-like")
	r.take(r.report([]action.Weakness{weak("192.0.2.1", "exposed", "tcp/23", "exposed-telnet"), infected}))
	watch := func() notice.Report {
		rep := r.report(nil)
		rep.Survey.Coverage.Checks = append(rep.Survey.Coverage.Checks, "infected")
		rep.Survey.Coverage.Ports = append(rep.Survey.Coverage.Ports, "traffic")
		return rep
	}
	for day := 1; day <= 7; day++ {
		r.now = r.now.Add(24 * time.Hour)
		o := r.take(watch())
		again := r.take(watch()) // Twice a day is one day.
		want := 0
		if day == 3 || day == 7 {
			want = 1
		}
		if o.Fixed != want || again.Fixed != 0 {
			t.Errorf("day %d: %+v, %+v", day, o, again)
		}
	}
	proofs := map[string]bool{}
	for _, x := range r.list(r.all) {
		proofs[x.Proof] = x.State == notice.Fixed
	}
	if !proofs["silent"] || !proofs["quiet"] {
		t.Errorf("%v", proofs)
	}
}

// TestNobodySeesWhatIsNotTheirs: a provider meets its own notices, and hands in
// surveys that reach nobody else.
func TestNobodySeesWhatIsNotTheirs(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		r.take(r.report([]action.Weakness{weak("192.0.2.1", "exposed", "tcp/23", "exposed-telnet"), weak("198.51.100.1", "exposed", "tcp/23", "exposed-telnet")}))
		a := r.as("org_a", access.Administrator, access.SendNotices)
		mine := r.list(a)
		if len(mine) != 1 || mine[0].Org != "org_a" {
			t.Fatalf("%+v", mine)
		}
		var foreign notice.Notice
		for _, x := range r.list(r.all) {
			if x.Org == "org_b" {
				foreign = x
			}
		}
		unknown := ident.ID("ntc_00000000000000000000000000")
		for name, ask := range map[string]func(id ident.ID) error{
			"get":      func(id ident.ID) error { _, err := r.Get(t.Context(), a, id); return err },
			"history":  func(id ident.ID) error { _, err := r.History(t.Context(), a, id); return err },
			"letter":   func(id ident.ID) error { _, err := r.Letter(t.Context(), a, id); return err },
			"state":    func(id ident.ID) error { _, err := r.SetState(t.Context(), a, id, 1, notice.Sent, ""); return err },
			"said":     func(id ident.ID) error { _, err := r.Said(t.Context(), a, id); return err },
			"feedback": func(id ident.ID) error { return r.Say(t.Context(), a, id, "isp", notice.Useful, "") },
		} {
			got, want := ask(foreign.ID), ask(unknown)
			if fault.KindOf(got) != fault.NotFound || fault.PublicOf(got) != fault.PublicOf(want) {
				t.Errorf("%s of a foreign notice: %v, of one that never was: %v", name, got, want)
			}
		}
		if _, err := r.Send(t.Context(), a, "org_b", label.Real); fault.KindOf(err) != fault.NotFound {
			t.Errorf("another's are sent: %v", err)
		}
		rules, err := r.Rules(t.Context(), a)
		must(t, err)
		if len(rules) != 1 || rules[0].Notices != 1 {
			t.Errorf("%+v", rules)
		}
		// The other provider's address is as unknown as anybody's.
		r.now = r.now.Add(time.Hour)
		rep := r.report([]action.Weakness{weak("198.51.100.1", "exposed", "tcp/80", "exposed-admin-http"), weak("203.0.113.9", "exposed", "tcp/80", "exposed-admin-http")}, "198.51.100.1 tcp/23")
		rep.Survey.Org = "org_a"
		o, err := r.Notices.Take(t.Context(), r.as("org_a", access.Operator, access.ReportSurveys), rep)
		must(t, err)
		r.want(o, "new 0 seen 0 fixed 0 silent 1 unrouted 2")
		if x := r.one(foreign.ID); x.State != notice.Made || !x.LastLooked.Equal(foreign.LastLooked) {
			t.Errorf("another's survey changed it: %+v", x)
		}
		rep.Survey.Org = "org_b"
		if _, err := r.Notices.Take(t.Context(), r.as("org_a", access.Operator, access.ReportSurveys), rep); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a survey in another's name: %v", err)
		}
	})
}

// TestHostileTextsAreOnlyTexts puts what a device may say into every place where
// people or programs read it.
func TestHostileTextsAreOnlyTexts(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	for i, evil := range []string{"=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(A1)", "\t=1", "\r\n=1", "\u202egnp.exe", "a\x1b[2Jb", "＝1+1", "\ufeff=1", "%0a"} {
		rep := r.report([]action.Weakness{weak(fmt.Sprintf("192.0.2.%d", i+1), "exposed", "tcp/80", "exposed-admin-http")})
		rep.Survey.Weaknesses[0].Title = evil
		rep.Survey.Weaknesses[0].Reference = "javascript:alert(1)"
		rep.Devices = []notice.Device{{Address: netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", i+1)), Kind: evil, Maker: evil, Name: evil, NameJA: evil, Firmware: evil, Rules: []string{evil}, Places: []string{"tcp/80"}}}
		r.take(rep)
	}
	for _, x := range r.list(r.all) {
		l, err := r.Letter(t.Context(), r.all, x.ID)
		must(t, err)
		if text := l.EN.Text() + l.JA.Text(); strings.ContainsAny(text, "\x1b\u202e\ufeff\r\t") || x.Weak[0].Reference != "" {
			t.Errorf("%q", text)
		}
	}
	b, err := r.Export(t.Context(), r.all, notice.Filter{})
	must(t, err)
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(b), "\ufeff"))).ReadAll()
	must(t, err)
	if len(rows) != 12 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows[1:] {
		for i, c := range row {
			if c != "" && strings.ContainsRune("=+-@|%\t\r＝", []rune(c)[0]) || strings.ContainsAny(c, "\x1b\u202e") {
				t.Errorf("column %s computes: %q", rows[0][i], c)
			}
		}
		if !strings.HasPrefix(row[len(row)-1], "https://check.example.jp/check/") {
			t.Errorf("the link is %q", row[len(row)-1])
		}
	}
}

func TestWhatIsNoReportIsRefused(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	for name, change := range map[string]func(*notice.Report){
		"id":      func(x *notice.Report) { x.Survey.ID = "srv_1" },
		"source":  func(x *notice.Report) { x.Survey.Source = action.BySurface },
		"realm":   func(x *notice.Report) { x.Survey.Realm = label.RealmUnknown },
		"future":  func(x *notice.Report) { x.Survey.Ended = r.now.Add(time.Hour) },
		"began":   func(x *notice.Report) { x.Survey.Began = r.now.Add(time.Second) },
		"address": func(x *notice.Report) { x.Survey.Weaknesses[0].Asset.Key = "www" },
		"check":   func(x *notice.Report) { x.Survey.Weaknesses[0].Check = "tls" },
		"level":   func(x *notice.Report) { x.Survey.Weaknesses[0].Level = "awful" },
		"device":  func(x *notice.Report) { x.Devices = []notice.Device{{}} },
	} {
		rep := r.report([]action.Weakness{weak("192.0.2.1", "exposed", "tcp/23", "exposed-telnet")})
		change(&rep)
		if _, err := r.Notices.Take(t.Context(), r.all, rep); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := r.list(r.all); len(got) != 0 || len(r.took) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestLooksAgreeWithASlowModel draws surveys of a few devices and places,
// and keeps beside the ledger which places are known to be weak.
func TestLooksAgreeWithASlowModel(t *testing.T) {
	db := ledgertest.SQLite(t)
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t, db)
		_, err := r.Forget(t.Context(), "org_a", time.Time{})
		must(t, err)
		places := []string{"tcp/23", "tcp/80"}
		known := map[string]bool{} // address place
		for range rapid.IntRange(1, 8).Draw(rt, "surveys") {
			r.now = r.now.Add(time.Hour) // within a day: silence closes nothing
			var seen []action.Weakness
			var answered []string
			for _, a := range []string{"192.0.2.1", "192.0.2.2"} {
				for _, p := range places {
					switch rapid.SampledFrom([]string{"weak", "well", "silent"}).Draw(rt, "look") {
					case "weak":
						seen, answered = append(seen, weak(a, "exposed", p, "exposed-x")), append(answered, a+" "+p)
						known[a+" "+p] = true
					case "well":
						answered = append(answered, a+" "+p)
						delete(known, a+" "+p)
					}
				}
			}
			r.take(r.report(seen, answered...))
			got := map[string]bool{}
			for _, x := range r.list(r.all) {
				if x.State == notice.Fixed {
					continue
				}
				for _, w := range x.Weak {
					if key := x.Device.Address.String() + " " + w.Place; got[key] {
						rt.Fatalf("%s is told of twice", key)
					} else {
						got[key] = true
					}
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(known) {
				rt.Fatalf("told %v, known %v", got, known)
			}
		}
	})
}
