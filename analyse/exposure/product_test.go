package exposure_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"noroshi/action"
	"noroshi/analyse/exposure"
	"noroshi/fault"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

const openssh = "pkg:deb/debian/openssh@1:9.2p1-2%2Bdeb12u1?distro=debian-12"

// sshd is a server that says its version with the suffix of a package, or hides it.
func sshd(address, pkg string) string {
	return sshdAt(address, 22, pkg)
}

func sshdAt(address string, at int, pkg string) string {
	return port(address, at, `,"service":"ssh","product":"OpenSSH","version":"9.2p1","package_version":"`+pkg+`","ssh":{"kex":["curve25519-sha256"]}`)
}

// TestWhatWasSeenIsJudgedByANewAdvisory changes what is believed, and scans
// nothing.
func TestWhatWasSeenIsJudgedByANewAdvisory(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		ctx := t.Context()
		r.inForce("org_a", "192.0.2.0/24")
		r.scan([]string{sshd("192.0.2.1", "9.2p1-2+deb12u1"), sshd("192.0.2.70", "9.2p1-2+deb12u1"), sshd("192.0.2.2", "9.2p1-2+deb12u3"), sshd("192.0.2.3", ""), sshdAt("192.0.2.5", 443, "9.2p1-2+deb12u1"), port("192.0.2.4", 6379, `,"service":"redis"`)})
		scanned, looks := r.now, len(r.actions.looks)
		anew := func(what string, want ...string) {
			t.Helper()
			r.now = r.now.Add(time.Hour)
			must(t, r.JudgeAnew(ctx, false))
			var got []string
			for _, v := range r.actions.looks[looks:] {
				looked := v.Coverage.Looker()
				for _, at := range []string{"192.0.2.1 tcp/22", "192.0.2.70 tcp/22", "192.0.2.2 tcp/22", "192.0.2.3 tcp/22", "192.0.2.4 tcp/6379", "192.0.2.1 tcp/6379", "192.0.2.1 tcp/443", "192.0.2.5 tcp/443", "192.0.2.5 tcp/22"} {
					address, place, _ := strings.Cut(at, " ")
					switch l := looked("product", action.Asset{Key: address}, place); l {
					case action.Judged:
						got = append(got, fmt.Sprint(v.Org, " looked at ", at))
					case action.Silent:
						t.Errorf("%s: %s is said to have been silent", what, at)
					}
				}
				if !slices.Equal(v.Coverage.Checks, []string{"product"}) || !v.Began.Equal(scanned) || !v.Ended.Equal(r.now) || v.Source != action.BySurface {
					t.Errorf("%s: the survey is %+v", what, v)
				}
				got = append(got, names(v)...)
			}
			looks = len(r.actions.looks)
			equal(t, what, got, want)
		}
		anew("the same is believed")
		k := exposure.Known{Name: "CVE-2024-6387", Level: action.High, Threat: action.Threat{CVSS: 8.1, EPSS: 0.2, SSVC: "attend", Why: "20 %", WhyJA: "20%"}}
		r.known[openssh], r.edition = []exposure.Known{k}, 2
		anew("an advisory is new", "org_a looked at 192.0.2.1 tcp/22", "org_a 192.0.2.1 tcp/22 CVE-2024-6387", "org_a looked at 192.0.2.5 tcp/443", "org_a 192.0.2.5 tcp/443 CVE-2024-6387", "org_a1 looked at 192.0.2.70 tcp/22", "org_a1 192.0.2.70 tcp/22 CVE-2024-6387")
		if w := r.actions.last(t).Weaknesses[0]; w.Threat != k.Threat || w.Level != action.High || !w.Asset.Exposed || len(w.Evidence) != 1 || !w.Evidence[0].At.Equal(scanned) || w.Reference != "https://security-tracker.debian.org/tracker/CVE-2024-6387" {
			t.Errorf("the weakness is %+v", w)
		}
		anew("nothing changed")
		k.Threat.EPSS, k.Threat.Why = 0.21, "21 %"
		r.known[openssh], r.edition = []exposure.Known{k}, 3
		anew("the chance is a little higher")
		k.Threat.SSVC, k.Threat.KEV = "act", true
		r.known[openssh], r.edition = []exposure.Known{k}, 4
		anew("it is attacked", "org_a looked at 192.0.2.1 tcp/22", "org_a 192.0.2.1 tcp/22 CVE-2024-6387", "org_a looked at 192.0.2.5 tcp/443", "org_a 192.0.2.5 tcp/443 CVE-2024-6387", "org_a1 looked at 192.0.2.70 tcp/22", "org_a1 192.0.2.70 tcp/22 CVE-2024-6387")
		r.known[openssh], r.edition = nil, 5
		anew("it was withdrawn", "org_a looked at 192.0.2.1 tcp/22", "org_a looked at 192.0.2.5 tcp/443", "org_a1 looked at 192.0.2.70 tcp/22")
	})
}

// TestAVersionThatIsNotSaidAnyMoreIsJudgedAnewToo hides the version, and closes
// the other port.
func TestAVersionThatIsNotSaidAnyMoreIsJudgedAnewToo(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	r.inForce("org_a", "192.0.2.0/24")
	r.scan([]string{sshd("192.0.2.1", "9.2p1-2+deb12u1"), sshd("192.0.2.2", "9.2p1-2+deb12u1")})
	r.now = r.now.Add(8 * 24 * time.Hour)
	r.scan([]string{sshd("192.0.2.1", "")}, "192.0.2.2 tcp/22")
	r.known[openssh], r.edition = []exposure.Known{{Name: "CVE-2024-6387"}}, 2
	r.actions.fails = fault.New(fault.Unavailable, "test", "away")
	if err := r.JudgeAnew(t.Context(), false); err == nil {
		t.Error("nobody says that the survey was not taken")
	}
	r.actions.fails = nil
	must(t, r.JudgeAnew(t.Context(), false))
	v := r.actions.last(t)
	equal(t, "weaknesses", names(v), []string{"org_a 192.0.2.1 tcp/22 CVE-2024-6387"})
	if text := v.Weaknesses[0].Evidence[0].Text; !strings.Contains(text, "before it said 9.2p1-2+deb12u1") {
		t.Errorf("the evidence is %q", text)
	}
	n := len(r.actions.looks)
	must(t, r.JudgeAnew(t.Context(), true)) // That of every day finds nothing else.
	if len(r.actions.looks) != n {
		t.Errorf("it is told again: %+v", r.actions.last(t))
	}
}

// TestNothingIsJudgedByWhatIsNotRead begins while the advisories are read, and
// where none is believed.
func TestNothingIsJudgedByWhatIsNotRead(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	ctx := t.Context()
	r.inForce("org_a", "192.0.2.0/24")
	r.known[openssh] = []exposure.Known{{Name: "CVE-2024-6387"}}
	r.edition, r.unread = 0, fault.New(fault.Unavailable, "test", "being read")
	j, err := r.Next(ctx, r.scanner(), "one")
	must(t, err)
	must(t, r.Put(ctx, r.scanner(), j.Run, "one", exposure.Part{Ports: []json.RawMessage{json.RawMessage(sshd("192.0.2.1", "9.2p1-2+deb12u1"))}}))
	if err := r.Close(ctx, r.scanner(), j.Run, "one", "done", true, nil); fault.KindOf(err) != fault.Unavailable || len(r.actions.looks) > 0 {
		t.Errorf("a survey is told by what is not read: %v, %+v", err, r.actions.looks)
	}
	r.edition, r.unread = 1, nil
	must(t, r.Close(ctx, r.scanner(), j.Run, "one", "done", true, nil))
	equal(t, "once they are read", names(r.actions.last(t)), []string{"org_a 192.0.2.1 tcp/22 CVE-2024-6387"})
	r.edition, r.now = 0, r.now.Add(8*24*time.Hour)
	r.scan([]string{sshd("192.0.2.1", "9.2p1-2+deb12u1")})
	if v := r.actions.last(t); slices.Contains(v.Coverage.Checks, "product") || len(v.Weaknesses) > 0 {
		t.Errorf("without advisories the survey is %+v", v)
	}
	n := len(r.actions.looks)
	must(t, r.JudgeAnew(ctx, true))
	if len(r.actions.looks) != n {
		t.Errorf("nothing is believed, and told: %+v", r.actions.last(t))
	}
}

// TestWhoIsSeenIsTold: hosts with their names and open ports, until they are gone,
// and only when something changed.
func TestWhoIsSeenIsTold(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		r.inForce("org_a", "192.0.2.0/24")
		have := int64(-1)
		seen := func(what string, want ...string) {
			t.Helper()
			now, list, err := r.Sightings(t.Context(), have)
			must(t, err)
			have = now
			var got []string
			for _, s := range list {
				got = append(got, fmt.Sprint(s.Org, " ", s.Address, " ", s.Names, " ", s.Ports, " ", s.At.Format(time.DateOnly)))
			}
			slices.Sort(got)
			equal(t, what, got, want)
		}
		web := port("192.0.2.70", 443, `,"service":"https","tls":{"versions":["TLS 1.3"],"names":["Shop.example.jp","www.example.jp"]}`)
		seen("at first")
		r.scan([]string{sshd("192.0.2.1", ""), port("192.0.2.1", 443, `,"service":"http"`), web})
		seen("then", "org_a 192.0.2.1 [] [tcp/22 tcp/443] 2026-05-01", "org_a1 192.0.2.70 [shop.example.jp www.example.jp] [tcp/443] 2026-05-01")
		seen("unchanged")
		r.now = r.now.Add(8 * 24 * time.Hour)
		r.scan([]string{port("192.0.2.1", 443, `,"service":"http"`)}, "192.0.2.1 tcp/22", "192.0.2.70 tcp/443")
		seen("when ports are closed", "org_a 192.0.2.1 [] [tcp/443] 2026-05-09")
		_, err := r.Leave(t.Context(), "org_a")
		must(t, err)
		if now, _, err := r.Sightings(t.Context(), have); err != nil || now == have {
			t.Errorf("that they left is not told: %v", err)
		}
		seen("when they left")
	})
}
