package attribute_test

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"noroshi/analyse/attribute"
	"noroshi/discovery"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
)

// TestTheNamesOfAddresses: those that lead there, and not those that somebody only
// claims, that were rejected, or that nobody saw for long.
func TestTheNamesOfAddresses(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		via := func(asset string, facts ...discovery.Evidence) discovery.Candidate {
			c := discovery.Candidate{Asset: named(asset)}
			for _, e := range facts {
				e.At = r.now
				c.Note(e)
			}
			return c
		}
		r.keep(city, via("198.51.100.1", discovery.Evidence{Kind: discovery.AddressOf, Via: "old.city.example"}))
		r.now = r.now.Add(100 * 24 * time.Hour)
		r.keep(city,
			via("198.51.100.1", discovery.Evidence{Kind: discovery.PassiveAddress, Via: "b.city.example"}, discovery.Evidence{Kind: discovery.AddressOf, Via: "a.city.example"}, discovery.Evidence{Kind: discovery.AliasAddress, Via: "a.city.example"},
				discovery.Evidence{Kind: discovery.PTRAlone, Via: "claimed.city.example"}, discovery.Evidence{Kind: discovery.SPFAddress, Via: "mail.city.example"}, discovery.Evidence{Kind: discovery.PTR, Via: "192.0.2.0/24"}),
			via("2001:db8::1", discovery.Evidence{Kind: discovery.PTR, Via: "six.city.example"}),
			via("198.51.100.2", discovery.Evidence{Kind: discovery.AddressOf, Via: "sold.city.example"}),
			via("www.city.example", discovery.Evidence{Kind: discovery.Answer, Via: "www.city.example"}))
		d := r.get(city, "198.51.100.2")
		_, err := r.Judge(ctx, scope(city), d.ID, d.Version, attribute.Rejected, "sold")
		must(t, err)
		r.keep(port, via("198.51.100.9", discovery.Evidence{Kind: discovery.AddressOf, Via: "port.city.example"}))
		got, err := r.Names(ctx, scope(city))
		must(t, err)
		want := map[netip.Addr][]string{netip.MustParseAddr("198.51.100.1"): {"a.city.example", "b.city.example"}, netip.MustParseAddr("2001:db8::1"): {"six.city.example"}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("known are %v; want %v", got, want)
		}
	})
}
