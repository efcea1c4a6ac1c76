package exposure_test

import (
	"fmt"
	"testing"

	"noroshi/access"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

// TestCertificatesOfOpenPortsAreTold: to whoever looks for more names, and of the
// organisations of the scope alone.
func TestCertificatesOfOpenPortsAreTold(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		r.inForce("org_a", "192.0.2.0/24")
		tls := func(addr, name string) string {
			return port(addr, 443, `,"service":"https","tls":{"versions":["TLS 1.3"],"post_quantum":false,"subject":"CN=x,O=Example\\, City","names":["`+name+`","shared.example"]}`)
		}
		told := func(at ident.ID) (out []string) {
			t.Helper()
			list, err := r.Certificates(t.Context(), r.as("x", at, access.ViewSurface))
			must(t, err)
			for _, c := range list {
				out = append(out, fmt.Sprint(c.Where, " ", c.Organisation, " ", c.Names, " ", c.At.Equal(r.now)))
			}
			return out
		}
		r.scan([]string{tls("192.0.2.1", "a.example"), tls("192.0.2.70", "a1.example"), port("192.0.2.2", 22, `,"service":"ssh","ssh":{"kex":["x"]}`)})
		equal(t, "with those below", told("org_a"), []string{"192.0.2.1:443 Example, City [a.example shared.example] true", "192.0.2.70:443 Example, City [a1.example shared.example] true"})
		equal(t, "below", told("org_a1"), []string{"192.0.2.70:443 Example, City [a1.example shared.example] true"})
		equal(t, "beside", told("org_b"), nil)
	})
}
