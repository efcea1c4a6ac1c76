package pdns_test

import (
	"testing"
	"time"

	"noroshi/analyse/pdns"
	"noroshi/event"
	"noroshi/eventstore/storetest"
	"noroshi/fault"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

// FuzzLookup asks for whatever readers might write: nothing of another
// organisation comes back, and what is no question is said to be none.
func FuzzLookup(f *testing.F) {
	db := ledgertest.SQLite(f)
	g, s := gather(f, db), pdns.New(db)
	for _, o := range []org.Organisation{{ID: "org_a"}, {ID: "org_b"}} {
		e := storetest.Event(o.ID, 1, time.Now(), "www.example.test")
		e.Answers = []event.DNSAnswer{{Type: "A", RData: "192.0.2.1"}, {Type: "TXT", RData: "100%_\\' or 1=1"}}
		g.Observe(1, o.ID, e)
	}
	if err := commit(f.Context(), g, 1); err != nil {
		f.Fatal(err)
	}
	for _, q := range []string{"www.example.test", "*.test", "*", "192.0.2.1", "192[.]0[.]2[.]1", "日本語.jp", "%", "_", "' or 1=1 --", "*.%", "\x00", "*.*.test"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		list, err := s.Lookup(t.Context(), storetest.Scope(org.Organisation{ID: "org_a"}), q, 0)
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", q, err)
		}
		for _, e := range list {
			if e.Org != "org_a" {
				t.Errorf("%q shows what %s saw", q, e.Org)
			}
		}
	})
}
