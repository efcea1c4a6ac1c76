package action

import (
	"net/netip"
	"testing"
)

func TestFingerprintSurvivesWhatChanges(t *testing.T) {
	w := Weakness{Asset: Asset{Kind: "host", Key: "192.0.2.1"}, Place: "tcp/443", Check: "tls", Name: "CVE-2026-1", Version: "1.0", Title: "old"}
	was := Fingerprint(BySurface, w)
	w.Version, w.Title, w.Level, w.Asset.Name, w.Name = "2.0", "new", High, "www", "cve-2026-1"
	if Fingerprint(BySurface, w) != was {
		t.Error("a new version is another weakness")
	}
	for name, change := range map[string]func(*Weakness){
		"place": func(w *Weakness) { w.Place = "tcp/8443" }, "name": func(w *Weakness) { w.Name = "CVE-2026-2" },
		"asset": func(w *Weakness) { w.Asset.Key = "192.0.2.2" }, "check": func(w *Weakness) { w.Check = "web" },
		"parts": func(w *Weakness) { w.Place, w.Check = "tcp/443t", "ls" },
	} {
		x := w
		if change(&x); Fingerprint(BySurface, x) == was {
			t.Errorf("another %s is the same weakness", name)
		}
	}
	if Fingerprint(BySBOM, w) == was {
		t.Error("another source is the same weakness")
	}
}

func TestCoverageProvesOnlyWhatWasLookedAt(t *testing.T) {
	look := Coverage{
		Checks: []string{"tls", "sbom"}, Assets: []string{"shop"}, Ports: []string{"tcp/443"},
		Ranges: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Excluded: []netip.Prefix{netip.MustParsePrefix("192.0.2.128/25")},
		Answered: []string{Answer(netip.MustParseAddr("192.0.2.1"), PortPlace("tcp", 443))},
		Unknown:  []string{Answer(netip.MustParseAddr("192.0.2.3"), PortPlace("tcp", 443))},
	}.Looker()
	for _, c := range []struct {
		check, asset, place string
		want                Look
	}{
		{"tls", "192.0.2.1", "tcp/443", Judged},
		{"tls", "192.0.2.2", "tcp/443", Silent},
		{"tls", "192.0.2.3", "tcp/443", Uncovered},
		{"tls", "192.0.2.1", "tcp/8443", Uncovered},
		{"tls", "192.0.2.129", "tcp/443", Uncovered},
		{"tls", "198.51.100.1", "tcp/443", Uncovered},
		{"web", "192.0.2.1", "tcp/443", Uncovered},
		{"sbom", "shop", "pkg:npm/left", Judged},
		{"sbom", "other", "pkg:npm/left", Uncovered},
	} {
		if got := look(c.check, Asset{Key: c.asset}, c.place); got != c.want {
			t.Errorf("%v: %d", c, got)
		}
	}
}
