package notice_test

import (
	"io/fs"
	"math"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"noroshi/action"
	"noroshi/analyse/iot"
	"noroshi/content"
	"noroshi/fault"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/share/notice"
)

// TestAnOwnerChecksThatItIsFixed follows a link: one look at a time, of this
// device alone, until it is fixed.
func TestAnOwnerChecksThatItIsFixed(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		seen := []action.Weakness{weak("192.0.2.1", "exposed", "tcp/23", "exposed-telnet"), weak("192.0.2.9", "exposed", "tcp/80", "exposed-admin-http")}
		r.take(r.report(seen))
		x := r.list(r.all)[0]
		if x.Device.Address.String() != "192.0.2.1" {
			x = r.list(r.all)[1]
		}
		token := r.Token(x.ID)
		for _, wrong := range []string{"", "x", token[:len(token)-1] + "g", strings.ToUpper(token), token + "0", token[1:], strings.Replace(token, "-", "-0", 1), string(x.ID)} {
			if _, err := r.View(ctx, wrong); fault.KindOf(err) != fault.NotFound {
				t.Errorf("%q opens: %v", wrong, err)
			}
			if err := r.Ask(ctx, wrong); fault.KindOf(err) != fault.NotFound {
				t.Errorf("%q asks: %v", wrong, err)
			}
		}
		v, err := r.View(ctx, token)
		must(t, err)
		if page := v.Letter.EN.Text() + v.Letter.JA.Text(); !v.MayAsk || strings.Contains(page, "192.0.2.9") || strings.Contains(page, token) {
			t.Errorf("%v %s", v.MayAsk, page)
		}
		r.now = r.now.Add(time.Minute)
		must(t, r.Ask(ctx, token))
		if err := r.Ask(ctx, token); fault.KindOf(err) != fault.Exhausted {
			t.Errorf("it is asked for twice: %v", err)
		}
		looks, err := r.Looks(ctx, r.all)
		must(t, err)
		if len(looks) != 1 || looks[0].Notice != x.ID || len(looks[0].Places) != 1 || looks[0].Places[0] != "tcp/23" {
			t.Fatalf("%+v", looks)
		}
		// A look that began before is no answer.
		before := r.report(seen)
		before.Survey.Began, before.Survey.Ended = r.now.Add(-time.Second), r.now.Add(time.Second)
		r.take(before)
		if looks, _ = r.Looks(ctx, r.all); len(looks) != 1 {
			t.Error("an earlier look was taken for the answer")
		}
		r.now = r.now.Add(5 * time.Minute)
		r.take(r.report(seen))
		if v, err = r.View(ctx, token); err != nil || v.Notice.State != notice.Checked || v.Asked[0].Outcome != "still" || v.Why != "often" {
			t.Errorf("%+v, %v", v, err)
		}
		r.now = r.now.Add(11 * time.Minute)
		must(t, r.Ask(ctx, token))
		r.now = r.now.Add(2 * time.Minute)
		r.take(r.report(nil, "192.0.2.1 tcp/23"))
		if v, err = r.View(ctx, token); err != nil || v.Notice.State != notice.Fixed || v.Asked[0].Outcome != "gone" || v.MayAsk {
			t.Errorf("%+v, %v", v, err)
		}
		must(t, r.SayAsOwner(ctx, token, notice.Useful, "thank you"))
		r.now = r.now.Add(91 * 24 * time.Hour)
		if _, err := r.View(ctx, token); fault.KindOf(err) != fault.NotFound {
			t.Errorf("the link never ends: %v", err)
		}
	})
}

// TestNoLookWithoutAuthority: when the scope has ended, nobody's wish sends a
// probe.
func TestNoLookWithoutAuthority(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	rep := r.report([]action.Weakness{weak("192.0.2.1", "exposed", "tcp/23", "exposed-telnet"), weak("192.0.2.2", "infected", "traffic", "infected-scanning")})
	rep.Until = r.now.Add(time.Hour)
	r.take(rep)
	for _, x := range r.list(r.all) {
		v, err := r.View(ctx, r.Token(x.ID))
		must(t, err)
		if x.Group == notice.Infected {
			if v.Why != "infected" {
				t.Errorf("%+v", v)
			}
			continue
		}
		must(t, r.Ask(ctx, r.Token(x.ID)))
		r.now = r.now.Add(2 * time.Hour)
		if looks, err := r.Looks(ctx, r.all); err != nil || len(looks) != 0 {
			t.Errorf("%+v, %v", looks, err)
		}
		if v, err = r.View(ctx, r.Token(x.ID)); err != nil || v.Why != "ended" {
			t.Errorf("%+v, %v", v, err)
		}
		if err := r.Ask(ctx, r.Token(x.ID)); fault.KindOf(err) != fault.Exhausted {
			t.Errorf("%v", err)
		}
	}
}

// TestARuleThatIsOftenWrongShows counts what is said to notices by the rules that
// made them.
func TestARuleThatIsOftenWrongShows(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	r.take(r.report([]action.Weakness{weak("192.0.2.1", "exposed", "tcp/23", "good-rule"), weak("192.0.2.2", "exposed", "tcp/23", "bad-rule"), weak("192.0.2.3", "exposed", "tcp/23", "bad-rule")}))
	for _, x := range r.list(r.all) {
		verdict := notice.Useful
		if x.Weak[0].Name == "bad-rule" {
			verdict = notice.WrongDevice
		}
		must(t, r.Say(ctx, r.all, x.ID, notice.ByProvider, verdict, "words\u202e"))
		if said, err := r.Said(ctx, r.all, x.ID); err != nil || len(said) != 1 || said[0].Words != "words" {
			t.Errorf("%+v, %v", said, err)
		}
		if err := r.Say(ctx, r.all, x.ID, "nobody", verdict, ""); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v", err)
		}
		if err := r.Say(ctx, r.all, x.ID, notice.ByMaker, "angry", ""); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v", err)
		}
	}
	rules, err := r.Rules(ctx, r.all)
	must(t, err)
	if len(rules) != 2 || rules[0].Rule != "bad-rule" || rules[0].Notices != 2 || rules[0].Wrong != 1 || rules[1].Wrong != 0 {
		t.Errorf("%+v", rules)
	}
}

func TestFiguresOfAMonth(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		infected := func(list ...string) (out []action.Weakness) {
			for _, a := range list {
				out = append(out, weak(a, "infected", "traffic", "infected-mirai-like"))
			}
			return out
		}
		r.now = time.Date(2026, 10, 31, 14, 59, 0, 0, time.UTC) // still October in Japan
		r.take(r.report(infected("192.0.2.50")))
		r.now = time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC)
		r.take(r.report(append(infected("192.0.2.50", "192.0.2.51", "198.51.100.50"), weak("192.0.2.1", "exposed", "tcp/23", "exposed-telnet"), weak("192.0.2.2", "firmware", "tcp/80", "CVE-2021-20090"))))
		r.now = r.now.Add(24 * time.Hour)
		r.take(r.report(infected("198.51.100.50", "198.51.100.51"), "192.0.2.2 tcp/80"))
		_, err := r.Send(ctx, r.all, "org_a", label.Real)
		must(t, err)
		r.now = r.now.Add(24 * time.Hour)
		r.take(r.report(nil, "192.0.2.1 tcp/23"))
		m, err := r.Figures(ctx, r.all, "2026-11", label.Real)
		must(t, err)
		if len(m.Each) != 2 {
			t.Fatalf("%+v", m)
		}
		a, b := m.Each[0], m.Each[1]
		if a.Surveyed != 256 || a.Found != 4 || a.Infected != 2 || a.Exposed != 1 || a.Firmware != 1 || a.PerDay != 2 || a.Notified != 3 || a.Fixed != 2 || math.Abs(a.FixedOfNotified-1.0/3) > 1e-9 {
			t.Errorf("%+v", a)
		}
		if b.Infected != 2 || b.PerDay != 2 || b.Notified != 0 || b.FixedOfNotified != 0 {
			t.Errorf("%+v", b)
		}
		if m.All.PerDay != 3 || m.All.Found != 6 || m.All.Fixed != 2 {
			t.Errorf("%+v", m.All)
		}
		if m, err = r.Figures(ctx, r.all, "2026-10", label.Real); err != nil || m.All.Found != 1 || m.All.Infected != 1 {
			t.Errorf("%+v, %v", m, err)
		}
		if m, err = r.Figures(ctx, r.all, "2026-11", label.Exercise); err != nil || m.All.Found != 0 || len(m.Each) != 0 {
			t.Errorf("%+v, %v", m, err)
		}
		if _, err = r.Figures(ctx, r.all, "November", label.Real); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%v", err)
		}
	})
}

// TestLettersAreWhole holds the words and the rules of devices
// together, and every letter whole.
func TestLettersAreWhole(t *testing.T) {
	rules, err := iot.Load(content.Devices())
	must(t, err)
	r := newRig(t, ledgertest.SQLite(t))
	b, err := fs.ReadFile(content.Notices(), "words.yaml")
	must(t, err)
	for line := range strings.Lines(string(b[strings.Index(string(b), "\nmakers:"):])) {
		if key, _, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && strings.HasPrefix(line, "  ") && line[2] != ' ' && rules.MakerName(key, "en") == key {
			t.Errorf("no rule tells of the maker %q", key)
		}
	}
	rep := r.report(nil)
	for _, check := range []string{"infected", "firmware", "exposed"} {
		rep.Survey.Weaknesses = append(rep.Survey.Weaknesses, weak("192.0.2.1", check, "tcp/80", "x-"+check))
	}
	r.take(rep)
	for _, x := range r.list(r.all) {
		l, err := r.Letter(t.Context(), r.all, x.ID)
		must(t, err)
		for lang, s := range map[string]notice.Side{"en": l.EN, "ja": l.JA} {
			text := s.Text()
			for _, need := range []string{"192.0.2.1", "https://check.example.jp/check/" + r.Token(x.ID), "2026-11-10 12:00 JST", string(x.ID), "x-" + string(x.Group)} {
				if !strings.Contains(text, need) {
					t.Errorf("the %s letter of %s does not say %s:\n%s", lang, x.Group, need, text)
				}
			}
			if strings.Contains(text, "%!") || len(s.Parts) != 8 {
				t.Errorf("%s", text)
			}
		}
	}
	if _, err := notice.New(notice.Deps{Words: fstest.MapFS{"words.yaml": {Data: []byte("says: {seen: {en: x}}")}}}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("words without a language: %v", err)
	}
}

func FuzzToken(f *testing.F) {
	r := newRig(f, ledgertest.SQLite(f))
	r.take(r.report([]action.Weakness{weak("192.0.2.1", "exposed", "tcp/23", "exposed-telnet")}))
	token := r.Token(r.list(r.all)[0].ID)
	f.Add("01m89swxs5krdg1j1r0h8cr2k5-00")
	f.Add("-")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := r.View(t.Context(), s); err == nil && s != token {
			t.Errorf("%q opens a page", s)
		}
	})
}
