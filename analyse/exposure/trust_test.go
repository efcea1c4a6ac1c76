package exposure_test

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"noroshi/ledger/ledgertest"
)

// TestScannersAreToldTheNamesOfWhatTheyMeet: and of nothing else.
func TestScannersAreToldTheNamesOfWhatTheyMeet(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	r.inForce("org_a", "192.0.2.0/28 !192.0.2.8/29")
	a := netip.MustParseAddr
	r.names = map[netip.Addr][]string{a("192.0.2.1"): {"www.example.jp"}, a("192.0.2.2"): {"1.jp", "2.jp", "3.jp", "4.jp", "5.jp", "6.jp", "7.jp", "8.jp", "9.jp"},
		a("192.0.2.9"): {"excluded.jp"}, a("192.0.2.16"): {"outside.jp"}}
	j, err := r.Next(t.Context(), r.scanner(), "one")
	must(t, err)
	want := map[netip.Addr][]string{a("192.0.2.1"): {"www.example.jp"}, a("192.0.2.2"): {"1.jp", "2.jp", "3.jp", "4.jp", "5.jp", "6.jp", "7.jp", "8.jp"}}
	if !reflect.DeepEqual(j.Names, want) {
		t.Errorf("the scanner is told %v; want %v", j.Names, want)
	}
}

// TestTrustIsProvedOnlyByWhoHasRoots: a scanner without roots sees no stranger,
// and does not prove that there is none.
func TestTrustIsProvedOnlyByWhoHasRoots(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	r.inForce("org_a", "192.0.2.0/24")
	tls := func(address, trust string) string {
		return port(address, 443, `,"service":"tls","tls":{"versions":["TLS 1.3"],"trust":"`+trust+`","named":[{"name":"www.example.jp"}]}`)
	}
	for _, c := range []struct {
		what  string
		ports []string
		weak  []string
		looks bool
	}{
		{"with roots", []string{tls("192.0.2.1", "unknown_issuer"), tls("192.0.2.2", "trusted")},
			[]string{"org_a 192.0.2.1 tcp/443 certificate-wrong-name", "org_a 192.0.2.1 tcp/443 certificate-unknown-issuer", "org_a 192.0.2.2 tcp/443 certificate-wrong-name"}, true},
		{"without", []string{tls("192.0.2.1", ""), tls("192.0.2.2", "")}, []string{"org_a 192.0.2.1 tcp/443 certificate-wrong-name", "org_a 192.0.2.2 tcp/443 certificate-wrong-name"}, false},
		{"without TLS", []string{port("192.0.2.1", 22, "")}, nil, true},
	} {
		r.scan(c.ports)
		v := r.actions.last(t)
		equal(t, c.what, names(v), c.weak)
		if slices.Contains(v.Coverage.Checks, "trust") != c.looks {
			t.Errorf("%s: the checks are %v", c.what, v.Coverage.Checks)
		}
		r.now = r.now.AddDate(0, 0, 8)
	}
}
