package systems_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"noroshi/action"
	"noroshi/analyse/exposure"
	"noroshi/analyse/systems"
	"noroshi/bom"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

// TestASystemThatIsSeenFromOutsideIsExposed lets a scanner see it, a neighbour's
// host, and nothing any more.
func TestASystemThatIsSeenFromOutsideIsExposed(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		r.system(t, r.a, "shop", systems.Facts{SeenAs: []string{"shop.example.jp", "192.0.2.9"}}, "pkg:npm/web@1.0.0")
		r.system(t, r.a, "inner", systems.Facts{}, "pkg:npm/web@1.0.0")
		r.load(t, "", []byte(strings.Replace(advisory("A-1", "CVE-2026-1", "web", "2.0.0"), `"summary"`, `"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],"summary"`, 1)))
		told := func(what, seen, why string, surveys int) {
			t.Helper()
			before := len(r.board.surveys)
			must(t, r.Match(ctx))
			if n := len(r.board.surveys) - before; n != surveys {
				t.Errorf("%s: %d surveys are handed in, not %d", what, n, surveys)
			}
			w, err := r.WhoIsHit(ctx, r.a, "CVE-2026-1", "", 0)
			must(t, err)
			got, reason := "", ""
			for _, h := range w.Items {
				if h.Name == "inner" {
					if h.Seen != nil {
						t.Errorf("%s: a system without an address was seen: %+v", what, h.Seen)
					}
					continue
				}
				if reason = h.Why; h.Seen != nil {
					got = fmt.Sprint(h.Seen.Ports, " ", h.Seen.At.Format(time.DateOnly))
				}
			}
			if got != seen || !strings.Contains(reason, why) {
				t.Errorf("%s: seen is %q, not %q; why: %s", what, got, seen, reason)
			}
			for _, x := range r.board.there {
				if x.Asset.Key == "shop" && (!x.Asset.Exposed || !strings.Contains(x.Threat.Why, why)) || x.Asset.Key == "inner" && x.Asset.Exposed {
					t.Errorf("%s: the action says %v, %s", what, x.Asset, x.Threat.Why)
				}
			}
		}
		host := func(o ident.ID, day int, address string, names ...string) exposure.Sighting {
			return exposure.Sighting{Org: o, Address: netip.MustParseAddr(address), Names: names, Ports: []string{"tcp/443", "tcp/80"}, At: time.Date(2026, 11, day, 3, 0, 0, 0, time.UTC)}
		}
		sees := func(list ...exposure.Sighting) { r.outside.edition, r.outside.list = r.outside.edition+1, list }
		told("at first", "", "says its owner", 1)
		sees(host(orgB, 1, "192.0.2.9", "shop.example.jp"), host(centre, 1, "192.0.2.8", "shop.example.jp"), host(orgA, 1, "192.0.2.1", "x.example.jp"))
		told("neighbours are seen", "", "says its owner", 0)
		sees(host(orgA, 2, "192.0.2.1", "shop.example.jp"))
		told("by a name of its certificate", "[192.0.2.1 tcp/443 192.0.2.1 tcp/80] 2026-11-02", "as was seen from outside", 1)
		sees(host(orgA, 9, "192.0.2.1", "shop.example.jp"), host(orgA, 3, "192.0.2.9"))
		told("once more", "[192.0.2.1 tcp/443 192.0.2.1 tcp/80 192.0.2.9 tcp/443 192.0.2.9 tcp/80] 2026-11-09", "as was seen from outside", 0)
		r.tree = org.NewTree([]org.Organisation{{ID: centre}, {ID: orgA, Parent: centre}, {ID: orgB, Parent: orgA}})
		sees(host(orgB, 4, "192.0.2.9"))
		told("at an organisation below", "[192.0.2.9 tcp/443 192.0.2.9 tcp/80] 2026-11-04", "as was seen from outside", 0)
		sees()
		told("not any more", "", "says its owner", 1)
	})
}

// TestAPackageThatIsSeenIsJudgedByTheFeeds loads what is known of one package of
// Debian, and withdraws it.
func TestAPackageThatIsSeenIsJudgedByTheFeeds(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		believed := func() int64 {
			t.Helper()
			n, err := r.Believed("deb")
			must(t, err)
			return n
		}
		advisory := func(modified, more string) []byte {
			return []byte(`{"id":"DEBIAN-CVE-2024-6387","aliases":["CVE-2024-6387"],"modified":"` + modified + `","summary":"regreSSHion"` + more + `,"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
				"affected":[{"package":{"ecosystem":"Debian:12","name":"openssh"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1:9.2p1-2+deb12u3"}]}]}]}`)
		}
		openssh := bom.PURL{Type: "deb", Namespace: "debian", Name: "openssh", Version: "1:9.2p1-2+deb12u1", Qualifiers: map[string]string{"distro": "debian-12"}}
		if fresh, err := systems.New(r.deps()); err != nil {
			t.Fatal(err)
		} else if _, err := fresh.Believed("deb"); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("a hub that has read nothing says that nothing is believed: %v", err)
		}
		r.load(t, "npm", archive(t, many(0, 5)...))
		if n := believed(); n != 0 {
			t.Errorf("advisories of npm are about Debian: %d", n)
		}
		r.load(t, "", advisory("2026-01-01T00:00:00Z", ""))
		first := believed()
		list := r.Weak(openssh)
		if first == 0 || len(list) != 1 || list[0].Name != "CVE-2024-6387" || list[0].Fixed != "1:9.2p1-2+deb12u3" || list[0].Level != action.High || list[0].Summary != "regreSSHion" {
			t.Fatalf("%d: what hits is %+v", first, list)
		}
		if x := list[0].Threat; x.CVSS != 8.1 || x.KEV || x.SSVC != "track" || !strings.Contains(x.Why, "Exploitation none") || !strings.Contains(x.WhyJA, "悪用の情報はありません") {
			t.Errorf("without attacks it says %+v", x)
		}
		r.load(t, "x", []byte(`{"title":"CISA","catalogVersion":"2026.11.25","dateReleased":"2026-11-25T00:00:00Z","count":1,"vulnerabilities":[{"cveID":"CVE-2024-6387","dateAdded":"2026-11-25","dueDate":"2026-12-01","requiredAction":"Update","knownRansomwareCampaignUse":"Unknown"}]}`))
		second := believed()
		if x := r.Weak(openssh)[0].Threat; second == first || !x.KEV || x.SSVC != "attend" {
			t.Errorf("%d: once it is attacked it says %+v", second, x)
		}
		mended := openssh
		mended.Version = "1:9.2p1-2+deb12u3"
		if list := r.Weak(mended); len(list) > 0 {
			t.Errorf("what is mended is hit: %+v", list)
		}
		r.load(t, "", advisory("2026-02-01T00:00:00Z", `,"withdrawn":"2026-02-01T00:00:00Z"`))
		must(t, r.Refresh(ctx))
		if n := believed(); n == second || n == 0 || len(r.Weak(openssh)) > 0 {
			t.Errorf("%d: once it is withdrawn it is %+v", n, r.Weak(openssh))
		}
	})
}
