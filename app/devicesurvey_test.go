package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/act/remediation"
	"noroshi/analyse/exposure"
	"noroshi/analyse/iot"
	"noroshi/analyse/systems"
	"noroshi/content"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/label"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/ledger/quarantine"
	"noroshi/org"
	"noroshi/service"
	"noroshi/share/notice"
)

// surveyRig is a hub with a provider, whose clock the test turns.
type surveyRig struct {
	*testing.T
	*hub
	now time.Time
	isp org.Organisation
}

func (r *surveyRig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func newSurveyRig(t *testing.T, db *ledger.DB) *surveyRig {
	t.Helper()
	r := &surveyRig{T: t, hub: &hub{db: db}, now: time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)}
	now, ids, log := func() time.Time { return r.now }, ident.System(), slog.New(slog.DiscardHandler)
	r.deps = identity.Deps{DB: db, Now: now, Ident: ids}
	var err error
	r.orgs, err = identity.OpenOrganisations(t.Context(), r.deps)
	r.must(err)
	centre, err := r.orgs.Put(t.Context(), "t", org.Organisation{Slug: "centre", Name: "C"})
	r.must(err)
	r.isp, err = r.orgs.Put(t.Context(), "t", org.Organisation{Slug: "isp", Name: "I", Sector: notice.Sector, Parent: centre.ID, Assets: org.Assets{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}})
	r.must(err)
	policy, err := remediation.ReadPolicy("policy", content.Remediation())
	r.must(err)
	r.actions, err = remediation.New(remediation.Config{}, remediation.Deps{DB: db, Policy: policy, Tree: r.orgs.Current, Now: now, Ident: ids, Log: log})
	r.must(err)
	rules, err := iot.Load(content.Devices())
	r.must(err)
	r.exposure, err = exposure.New(exposure.Deps{DB: db, Texts: scopeTexts{}, Actions: toDo{r.hub}, Advisories: believed{r.hub}, Names: names{r.hub}, Devices: deviceSurveys{r.hub, rules}, Tree: r.orgs.Current, Now: now, Ident: ids, Log: log, Every: 7 * 24 * time.Hour, Rules: content.Exposure()})
	r.must(err)
	r.discoveries = r.discovering()
	r.systems, err = systems.New(systems.Deps{DB: db, Documents: documents{}, Actions: r.actions, Outside: r.exposure, Aside: quarantine.New(db, now, ids).Put, Closed: func() error { return nil }, Tree: r.orgs.Current, Now: now, Ident: ids, Log: log})
	r.must(err)
	r.must(r.systems.Refresh(t.Context()))
	r.notices, err = notice.New(notice.Deps{DB: db, Actions: r.actions, InForce: r.inForce, Tree: r.orgs.Current, Now: now, Ident: ids, Zone: iot.JST, Words: content.Notices(), Key: make([]byte, 32), Link: func() string { return "https://check.example.jp" }})
	r.must(err)
	return r
}

func (r *surveyRig) as(who string) access.Scope { return access.Hub(r.orgs.Current(), who) }

// propose records a scope of the provider.
func (r *surveyRig) propose(survey string) exposure.Scope {
	r.Helper()
	c, err := r.exposure.Propose(r.Context(), r.as("hanako"), r.isp.ID, survey+"owner: o\ncontact: c\nlegal_basis: law 5\nproof: {kind: letter, reference: r, recorded_by: [a, b]}\nranges: [192.0.2.0/26]\nexcluded: [192.0.2.7/32]\nports: [21, 22, 6379]\nrate: 10\ncaps: {address: 5, network: 5, owner: 1000}\nvalid_until: 2099-01-01T00:00:00Z\n")
	r.must(err)
	return c
}

func (r *surveyRig) approve(c exposure.Scope) exposure.Scope {
	r.Helper()
	c, err := r.exposure.Approve(r.Context(), r.as("taro"), c.ID, c.Version)
	r.must(err)
	return c
}

// scan makes the run that is due, which takes a minute.
func (r *surveyRig) scan(why string, ports ...service.Port) exposure.ScanJob {
	r.Helper()
	ctx, s := r.Context(), r.as("scanner")
	j, err := r.exposure.Next(ctx, s, "one")
	r.must(err)
	r.now = r.now.Add(time.Minute)
	var p exposure.Part
	for _, x := range ports {
		x.Transport, x.FirstSeen = "tcp", r.now
		b, err := json.Marshal(x)
		r.must(err)
		p.Ports = append(p.Ports, b)
	}
	r.must(r.exposure.Put(ctx, s, j.Run, "one", p))
	r.must(r.exposure.Close(ctx, s, j.Run, "one", why, false, nil))
	return j
}

// notice is the live or ended notice of a group, the last one made.
func (r *surveyRig) notice(g notice.Group) notice.Notice {
	r.Helper()
	p, err := r.notices.List(r.Context(), r.as("x"), notice.Filter{Group: g})
	r.must(err)
	if len(p.Items) != 1 {
		r.Fatalf("%d notices of %s: %+v", len(p.Items), g, p.Items)
	}
	return p.Items[0]
}

// did lists actions.
func (r *surveyRig) did() (list []string) {
	r.Helper()
	p, err := r.actions.List(r.Context(), r.as("x"), remediation.Filter{})
	r.must(err)
	for _, a := range p.Items {
		list = append(list, fmt.Sprintf("%s %s %s %s %s", a.Source, a.Weakness.Asset.Key, a.Weakness.Place, a.Weakness.Name, a.State))
	}
	slices.Sort(list)
	return list
}

func (r *surveyRig) same(what string, got, want []string) {
	r.Helper()
	if !slices.Equal(got, want) {
		r.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

var (
	home  = netip.MustParseAddr("192.0.2.1")
	shop  = netip.MustParseAddr("192.0.2.2")
	cache = service.Port{Address: shop, Port: 6379, Answer: service.Answer{Service: "redis"}}
	// secure says nothing of its maker: it is a router's because port 21 says so.
	secure = service.Port{Address: home, Port: 22, Answer: service.Answer{Service: "ssh", SSH: &service.SSH{Kex: []string{"curve25519-sha256"}}, Evidence: map[string]string{"ssh.banner": "SSH-2.0-dropbear"}}}
)

func router(firmware string) service.Port {
	return service.Port{Address: home, Port: 21, Answer: service.Answer{Service: "ftp", Evidence: map[string]string{"ftp.banner": "x FTP server (MikroTik " + firmware + ") ready"}}}
}

// TestAScopeOfDevicesTellsOwnersAndAnswersThem follows one router from the whole
// scan over its owner's wishes to the proof, beside an ordinary server.
func TestAScopeOfDevicesTellsOwnersAndAnswersThem(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newSurveyRig(t, db)
		c := r.approve(r.propose("survey: iot\n"))
		r.scan("done", router("6.40"), secure, cache)
		weak := r.notice(notice.Firmware)
		if weak.Org != r.isp.ID || weak.State != notice.Made || weak.Basis != "law 5" || !weak.Until.Equal(c.Terms.ValidUntil) {
			t.Errorf("%+v", weak)
		}
		if x := r.notice(notice.Exposed); len(x.Weak) != 2 || x.Device.Address != home {
			t.Errorf("%+v", x)
		}
		r.same("actions", r.did(), []string{"iot 192.0.2.1 tcp/21 CVE-2018-14847 open", "iot 192.0.2.1 tcp/21 exposed-files open", "iot 192.0.2.1 tcp/22 exposed-ssh open", "surface 192.0.2.2 tcp/6379 exposed-redis open"})

		r.now = r.now.Add(time.Minute)
		token := r.notices.Token(weak.ID)
		r.must(r.notices.Ask(ctx, token))
		j := r.scan("done", router("6.40"))
		r.same("what the owner asks", j.Only, []string{"192.0.2.1:21"})
		v, err := r.notices.View(ctx, token)
		r.must(err)
		if v.Notice.State != notice.Checked || v.Asked[0].Outcome != "still" {
			t.Errorf("%+v", v)
		}

		ssh := r.notices.Token(r.notice(notice.Exposed).ID)
		r.now = r.now.Add(11 * time.Minute)
		r.must(r.notices.Ask(ctx, ssh))
		r.must(r.notices.Ask(ctx, token))
		r.same("both wishes", r.scan("done", router("7.16"), secure).Only, []string{"192.0.2.1:21", "192.0.2.1:22"})
		if v, err = r.notices.View(ctx, token); err != nil || v.Notice.State != notice.Fixed || v.Notice.Proof != "seen" || v.Asked[0].Outcome != "gone" {
			t.Errorf("%+v, %v", v, err)
		}
		if v, err = r.notices.View(ctx, ssh); err != nil || len(v.Notice.Weak) != 2 || v.Asked[0].Outcome != "still" {
			t.Errorf("%+v, %v", v, err)
		}
		if list := r.did(); !slices.Contains(list, "iot 192.0.2.1 tcp/21 CVE-2018-14847 proved") || !slices.Contains(list, "surface 192.0.2.2 tcp/6379 exposed-redis open") {
			t.Errorf("the actions are %q", list)
		}

		r.now = r.now.Add(8 * 24 * time.Hour)
		if j := r.scan("done", router("7.16"), secure, cache); len(j.Only) > 0 {
			t.Errorf("the next scan is %+v", j)
		}
		if x := r.notice(notice.Exposed); !x.LastSeen.Equal(r.now) || len(x.Weak) != 2 {
			t.Errorf("%+v", x)
		}
		m, err := r.notices.Figures(ctx, r.as("x"), "2026-11", label.Real)
		r.must(err)
		if f := m.All; f.Surveyed != 63 || f.Answered != 1 || f.Found != 2 || f.Fixed != 1 {
			t.Errorf("the figures are %+v", f)
		}
		r.now = r.now.Add(8 * 24 * time.Hour)
		r.scan("done", secure, cache) // The answer of port 21 was lost, and it is a router's all the same.
		if x := r.notice(notice.Exposed); !x.LastSeen.Equal(r.now) || len(x.Weak) != 2 {
			t.Errorf("%+v", x)
		}
		_, err = r.exposure.Withdraw(ctx, r.as("taro"), c.ID, 0, "the contract ended")
		r.must(err)
		if v, err = r.notices.View(ctx, ssh); err != nil || v.Why != "ended" {
			t.Errorf("a wish after the end of the authority: %+v, %v", v, err)
		}
	})
}

// TestASurveyOfDevicesProvesOnlyWhatItCovered scans without an answer in all ways
// that are no proof.
func TestASurveyOfDevicesProvesOnlyWhatItCovered(t *testing.T) {
	ctx, r := t.Context(), newSurveyRig(t, ledgertest.SQLite(t))
	week := func() { r.now = r.now.Add(8 * 24 * time.Hour) }
	plain := r.approve(r.propose(""))
	r.scan("done", router("6.40"), cache)
	if p, err := r.notices.List(ctx, r.as("x"), notice.Filter{}); err != nil || len(p.Items) > 0 {
		t.Fatalf("a scope that is no survey of devices makes notices: %+v, %v", p, err)
	}
	_, err := r.exposure.Withdraw(ctx, r.as("taro"), plain.ID, 0, "another one follows")
	r.must(err)
	r.approve(r.propose("survey: iot\n"))
	r.scan("owner_cap", router("6.40"), cache)
	first := r.notice(notice.Firmware)
	for _, c := range []struct {
		what, why string
		ports     []service.Port
	}{{"a run that ended early", "owner_cap", nil}, {"an open port that says nothing", "done", []service.Port{{Address: home, Port: 21}}}} {
		week()
		r.scan(c.why, c.ports...)
		if x := r.notice(notice.Firmware); x.State != notice.Made || x.Silent != 0 || !x.LastLooked.Equal(first.LastLooked) {
			t.Errorf("%s: %+v", c.what, x)
		}
	}
	o, err := r.exposure.Ask(ctx, "192.0.2.1", "me@example.net", "", "203.0.113.9")
	r.must(err)
	r.must(r.notices.Ask(ctx, r.notices.Token(first.ID)))
	_, err = r.exposure.Answer(ctx, r.as("taro"), o.ID, 0, true, "")
	r.must(err)
	if v, err := r.notices.View(ctx, r.notices.Token(r.notice(notice.Exposed).ID)); err != nil || v.Why != "ended" {
		t.Errorf("who asked not to be scanned may ask for a look: %+v, %v", v, err)
	}
	for range 2 {
		week()
		if j := r.scan("done", cache); len(j.Only) > 0 {
			t.Errorf("it is looked at: %v", j.Only)
		}
	}
	if x := r.notice(notice.Firmware); x.State != notice.Made || x.Silent != 0 {
		t.Errorf("an address that is not scanned any more is proved: %+v", x)
	}
}
