package app

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/act/remediation"
	"noroshi/action"
	"noroshi/analyse/exposure"
	"noroshi/analyse/systems"
	"noroshi/config"
	"noroshi/label"
)

const seenScope = `owner: City
contact: security@city.example
legal_basis: contract 1
proof: {kind: letter, reference: drawer 3, recorded_by: [hanako, taro]}
ranges: [192.0.2.0/24]
ports: [22, 443]
rate: 10
caps: {address: 1, network: 10, owner: 100000}
valid_until: 2099-01-01T00:00:00Z
`

// TestWhatAScanSawAndTheFeedsAreJoined hands in a scan of a machine and loads what
// is known of its version afterwards; a system says that it is reached there.
func TestWhatAScanSawAndTheFeedsAreJoined(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Hub.Organisations = []config.Organisation{{Slug: "centre", Name: "Centre", NameJA: "センター", Kana: "せんたー", Sector: "centre"},
		{Slug: "city", Name: "City", NameJA: "市役所", Kana: "しやくしょ", Sector: "local", Parent: "centre", Prefixes: []string{"192.0.2.0/24"}}}
	h := startHub(t, cfg).h
	ctx := t.Context()
	as := func(who string) access.Scope { return access.Hub(h.orgs.Current(), who) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	city, err := h.orgs.BySlug(ctx, "city")
	must(err)
	c, err := h.exposure.Propose(ctx, as("hanako"), city.ID, seenScope)
	must(err)
	_, err = h.exposure.Approve(ctx, as("taro"), c.ID, c.Version)
	must(err)
	until(t, "the advisories are read", func() bool { _, err := h.systems.Believed("deb"); return err == nil })
	j, err := h.exposure.Next(ctx, as("scanner"), "one")
	must(err)
	line := `{"address":"192.0.2.1","port":22,"transport":"tcp","service":"ssh","product":"OpenSSH","version":"9.2p1","package_version":"9.2p1-2+deb12u1","ssh":{"kex":["sntrup761x25519-sha512@openssh.com"]}}`
	must(h.exposure.Put(ctx, as("scanner"), j.Run, "one", exposure.Part{Ports: []json.RawMessage{json.RawMessage(line)}}))
	must(h.exposure.Close(ctx, as("scanner"), j.Run, "one", "done", true, nil))

	load := func(text string) {
		t.Helper()
		_, err := h.systems.Load(ctx, as("x"), "x", "x", []byte(text))
		must(err)
	}
	const debian = `{"id":"DEBIAN-CVE-2024-6387","aliases":["CVE-2024-6387"],"modified":"2026-0%d-01T00:00:00Z"%s,"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
		"affected":[{"package":{"ecosystem":"Debian:12","name":"openssh"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1:9.2p1-2+deb12u3"}]}]}]}`
	found := func(state action.State) (list []action.Action) {
		p, err := h.actions.List(ctx, as("x"), remediation.Filter{Text: "CVE-2024-6387", Source: action.BySurface, Realm: label.Real, States: []action.State{state}})
		must(err)
		return p.Items
	}
	load(fmt.Sprintf(debian, 1, ""))
	until(t, "an action is open", func() bool { return len(found(action.Open)) == 1 })
	if a := found(action.Open)[0]; a.Org != city.ID || !a.OwnerKnown || a.Weakness.Level != action.High || a.Weakness.Threat.SSVC == "" || a.Weakness.Threat.WhyJA == "" || !a.Due.After(time.Now()) {
		t.Errorf("the action is %+v", a)
	}

	_, err = h.systems.Add(ctx, as("hanako"), city.ID, systems.Facts{Name: "shop", SeenAs: []string{"192.0.2.1"}})
	must(err)
	list, err := h.systems.List(ctx, as("x"), systems.Filter{Text: "shop"})
	must(err)
	_, err = h.systems.Upload(ctx, as("hanako"), list.Items[0].ID, "1", "", []byte(`{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"web","version":"1.0.0","purl":"pkg:npm/web@1.0.0"}]}`))
	must(err)
	load(`{"id":"A-1","aliases":["CVE-2026-0001"],"modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"web"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`)
	until(t, "the system is seen", func() bool {
		w, err := h.systems.WhoIsHit(ctx, as("x"), "CVE-2026-0001", "", 0)
		must(err)
		return len(w.Items) == 1 && w.Items[0].Seen != nil && fmt.Sprint(w.Items[0].Seen.Ports) == "[192.0.2.1 tcp/22]"
	})

	load(fmt.Sprintf(debian, 2, `,"withdrawn":"2026-02-01T00:00:00Z"`))
	until(t, "its action has ended", func() bool { return len(found(action.Proved)) == 1 })
}
