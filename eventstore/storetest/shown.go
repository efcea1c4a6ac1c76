package storetest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/observable"
)

// Meets tells whether an event shows an observable: itself, a name below it, or
// an address in it. It is the slow and plain answer that an index is held to.
func Meets(e *event.Event, o observable.Observable) bool {
	return slices.ContainsFunc(e.Observables(), func(x event.Observable) bool {
		switch o.Kind {
		case observable.Domain:
			return x.Kind == o.Kind && (x.Value == o.Value || strings.HasSuffix(x.Value, "."+o.Value))
		case observable.CIDR:
			a, err := netip.ParseAddr(x.Value)
			return err == nil && (x.Kind == observable.IPv4 || x.Kind == observable.IPv6) && netip.MustParsePrefix(o.Value).Contains(a)
		}
		return x.Observable == o
	})
}

const (
	aMD5    = "d41d8cd98f00b204e9800998ecf8427e"
	aSHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// Showing makes events that show things in every way, and Shown lists things to
// look for in them, seen and unseen.
func Showing(now time.Time) []*event.Event {
	var out []*event.Event
	add := func(name string, change func(*event.Event)) {
		e := Event("org_a", uint64(len(out)), now.Add(-time.Duration(len(out))*time.Minute), name)
		if change != nil {
			change(e)
		}
		out = append(out, e)
	}
	for _, n := range []string{"evil.test", "WWW.Evil.Test.", "notevil.test", "x-evil.test", "evil.test.example", "a.b.c.d.e.f.g.h.i.evil.test", "xn--wgv71a119e.jp", "test", "_x.evil.test", "日本語.jp"} {
		add(n, nil)
	}
	for _, data := range []string{"192.0.2.1", "2001:DB8::1", "::ffff:192.0.2.77", "10 mail.evil.test.", "evil.test", "192.0.3.1", "2001:db8:1::", "v=spf1 include:evil.test"} {
		add("good.example", func(e *event.Event) { e.Answers = []event.DNSAnswer{{RData: "198.51.100.1"}, {RData: data}} })
	}
	for _, cmd := range []string{"curl http://EVIL.test:80/a", "curl http://%65vil.test/a", "curl http://日本語.jp/", "nc 192.0.2.1 80", "x [2001:db8::1]", "curl http://[2001:DB8::1]/x", "echo " + strings.ToUpper(aMD5),
		"curl http://ｅｖｉｌ.test/a", "curl http://evil.test/" + strings.Repeat("long/", 100) + "end", "ls", ""} {
		add("good.example", func(e *event.Event) { e.Process = &event.Process{PID: 1, CmdLine: cmd} })
	}
	add("good.example", func(e *event.Event) {
		e.Actor = &event.Actor{Process: &event.Process{File: &event.File{Hashes: []event.Fingerprint{{AlgorithmID: 3, Value: strings.ToUpper(aSHA256)}}}}}
	})
	add("good.example", func(e *event.Event) {
		e.DstEndpoint = &event.Endpoint{IP: "2001:db8:0:1::9", Hostname: "Evil.test"}
	})
	return out
}

// Shown lists what to look for in Showing.
var Shown = []string{"evil.test", "www.evil.test", "mail.evil.test", "c.d.e.f.g.h.i.evil.test", "b.c.d.e.f.g.h.i.evil.test", "z.c.d.e.f.g.h.i.evil.test", "xn--wgv71a119e.jp", "absent.test", "example.org",
	"192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.0/24", "192.0.2.0/25", "192.0.2.0/23", "192.0.0.0/14", "192.0.0.0/12", "128.0.0.0/1", "192.0.2.76/30", "203.0.112.0/20",
	"2001:db8::/32", "2001:db8::/29", "2001:db8::/44", "2001:db8:0:1::/64", "2001:db8::/65", "2000::/3", "2001:db9::/32",
	"http://evil.test/a", "http://evil.test/b", "http://xn--wgv71a119e.jp/", "http://[2001:db8::1]/x", "http://evil.test/" + strings.Repeat("long/", 100) + "end", aMD5, aSHA256, strings.Repeat("0", 64)}

func shown(t *testing.T, s eventstore.Store) {
	now := time.Now()
	events := Showing(now)
	var rows []eventstore.Row
	for i, e := range events {
		rows = append(rows, eventstore.Row{Tenant: 1, Event: e}, eventstore.Row{Tenant: 2, Event: Event("org_b", uint64(i), now, "www.evil.test")})
	}
	add(t, s, rows)
	FindsShown(t, s, events)
	if rows, err := s.Search(t.Context(), Scope(orgA), eventstore.Query{Observables: []observable.Observable{{Kind: observable.Domain, Value: "absent.test"}}}); err != nil || len(rows) > 0 {
		t.Errorf("what nobody shows is found in %d events, %v", len(rows), err)
	}
	// Many are asked for at once, and with a query's own filter and pipes.
	var many []observable.Observable
	for i := range 2000 {
		many = append(many, observable.Observable{Kind: observable.Domain, Value: fmt.Sprintf("n%d.example.org", i)})
	}
	many = append(many, observable.Observable{Kind: observable.Domain, Value: "evil.test"})
	got, err := s.Search(t.Context(), Scope(orgA), eventstore.Query{LogsQL: `"metadata.sequence":<2 | stats count() n`, Observables: many})
	must(t, err)
	if len(got) != 1 || got[0].Fields["n"] != "2" {
		t.Errorf("of the first two %v show one of many", got)
	}
	n, err := s.FieldNames(t.Context(), Scope(orgA), eventstore.Query{LogsQL: "*", Observables: many})
	must(t, err)
	if len(n) == 0 || strings.Contains(fmt.Sprint(n), "observables") {
		t.Errorf("the names are %v: the index is the store's own", n)
	}
}

// FindsShown asks a store that has the events for each of Shown, and for all.
func FindsShown(t *testing.T, s eventstore.Store, events []*event.Event) {
	t.Helper()
	var all []observable.Observable
	for _, text := range append(Shown, "") {
		want := all
		if text != "" {
			o, err := observable.Parse(text)
			must(t, err)
			all, want = append(all, o), []observable.Observable{o}
		}
		rows, err := s.Search(t.Context(), Scope(orgA), eventstore.Query{Observables: want})
		must(t, err)
		found := map[string]bool{}
		for _, r := range rows {
			if r.Fields["metadata.tenant_uid"] != "org_a" {
				t.Errorf("%s: a row of %s", text, r.Fields["metadata.tenant_uid"])
			}
			found[r.Fields["metadata.uid"]] = true
		}
		for _, e := range events {
			if !found[e.Metadata.UID] && slices.ContainsFunc(want, func(o observable.Observable) bool { return Meets(e, o) }) {
				t.Errorf("%s is not found in: %s", text, e.Summary())
			}
		}
	}
}
