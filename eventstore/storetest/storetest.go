// Package storetest is the contract of an event store, as tests: every engine
// runs the same. Only tests import it.
package storetest

import (
	"fmt"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/org"
)

// Event makes a look-up of a name by a node of an organisation.
func Event(o ident.ID, seq uint64, at time.Time, name string) *event.Event {
	e := &event.Event{ClassUID: event.DNSActivity, ActivityID: event.DNSTraffic, Time: at.UnixMilli(),
		Metadata: event.Metadata{UID: fmt.Sprintf("nod_%s.%d", o, seq), Sequence: seq, Tenant: o,
			Reporter: event.Reporter{UID: ident.ID("nod_" + o), Hostname: "h"}, Provider: event.TierResolver},
		Query:       &event.DNSQueryInfo{Hostname: name, Type: "A"},
		SrcEndpoint: &event.Endpoint{IP: "192.0.2.1"}}
	e.Finish()
	return e
}

var orgA = org.Organisation{ID: "org_a", Tenant: 1}
var orgB = org.Organisation{ID: "org_b", Tenant: 2}

func scope(orgs ...org.Organisation) access.Scope {
	return access.Hub(org.NewTree(orgs), "test")
}

// Contract runs the whole contract on an engine that open opens empty.
func Contract(t *testing.T, open func(t *testing.T) eventstore.Store) {
	t.Run("finds what was appended", func(t *testing.T) { found(t, open(t)) })
	t.Run("shows nothing of another tenant", func(t *testing.T) { isolated(t, open(t)) })
	t.Run("says what is wrong with a query", func(t *testing.T) { refused(t, open(t)) })
	t.Run("knows what it has", func(t *testing.T) { known(t, open(t)) })
}

func fill(t *testing.T, s eventstore.Store, now time.Time) {
	t.Helper()
	var rows []eventstore.Row
	for i := range 50 {
		at := now.Add(-time.Duration(i) * time.Minute)
		rows = append(rows, eventstore.Row{Tenant: 1, Event: Event("org_a", uint64(i), at, fmt.Sprintf("a%d.example.test", i%5))},
			eventstore.Row{Tenant: 2, Event: Event("org_b", uint64(i), at, "secret-of-b.example.test")})
	}
	must(t, s.Append(t.Context(), rows))
	must(t, s.Flush(t.Context()))
}

func found(t *testing.T, s eventstore.Store) {
	now := time.Now()
	fill(t, s, now)
	sc := scope(orgA)
	rows, err := s.Search(t.Context(), sc, eventstore.Query{LogsQL: `"query.hostname":="a1.example.test"`, Limit: 3})
	must(t, err)
	if len(rows) != 3 || rows[0].Fields["query.hostname"] != "a1.example.test" || rows[0].Fields["metadata.uid"] != "nod_org_a.1" {
		t.Fatalf("the newest three were expected: %+v", rows)
	}
	if !rows[0].Time.Equal(now.Add(-time.Minute).Truncate(time.Millisecond)) {
		t.Errorf("the time is %s, not %s", rows[0].Time, now.Add(-time.Minute))
	}
	span := eventstore.Query{From: now.Add(-9 * time.Minute).Add(-time.Second), To: now.Add(time.Second)}
	rows, err = s.Search(t.Context(), sc, span)
	must(t, err)
	if len(rows) != 10 {
		t.Errorf("ten minutes hold 10 rows, not %d", len(rows))
	}
	b, err := s.Histogram(t.Context(), sc, eventstore.Query{From: now.Add(-time.Hour), To: now.Add(time.Minute)}, time.Hour)
	must(t, err)
	var n int64
	for _, x := range b {
		n += x.Count
	}
	if n != 50 {
		t.Errorf("the histogram counts %d of 50 rows", n)
	}
	v, err := s.FieldValues(t.Context(), sc, eventstore.Query{}, "query.hostname", 10)
	must(t, err)
	if len(v) != 5 || v[0].Count != 10 {
		t.Errorf("five values of ten rows each were expected: %v", v)
	}
	rows, err = s.Search(t.Context(), sc, eventstore.Query{LogsQL: `* | stats by ("query.hostname") count() n | sort by (n)`})
	must(t, err)
	if len(rows) != 5 || rows[0].Fields["n"] != "10" {
		t.Errorf("a query with pipes gave %v", rows)
	}
}

// isolated asks by every read path, in every way that might reach another
// tenant.
func isolated(t *testing.T, s eventstore.Store) {
	now := time.Now()
	fill(t, s, now)
	sc := scope(orgA)
	for _, q := range []string{
		`*`, `secret-of-b.example.test`, `"query.hostname":~".*b.*"`, `_stream:{node="nod_org_b"}`, `node:="nod_org_b"`,
		`* | join by (class) (* | fields class, "query.hostname") `, `* | union (node:nod_org_b)`,
		`"query.hostname":in(node:="nod_org_b" | fields "query.hostname")`, `* or secret-of-b.example.test | uniq by ("query.hostname")`,
	} {
		rows, err := s.Search(t.Context(), sc, eventstore.Query{LogsQL: q})
		if err != nil {
			continue // Refusing is safe too.
		}
		for _, r := range rows {
			for k, v := range r.Fields {
				if v == "secret-of-b.example.test" || v == "org_b" {
					t.Errorf("%s shows %s=%s", q, k, v)
				}
			}
		}
	}
	v, err := s.FieldValues(t.Context(), sc, eventstore.Query{}, "query.hostname", 100)
	must(t, err)
	for _, x := range v {
		if x.Value == "secret-of-b.example.test" {
			t.Error("the values show another tenant's")
		}
	}
	none, err := s.Search(t.Context(), access.Scope{}, eventstore.Query{})
	must(t, err)
	if len(none) != 0 {
		t.Errorf("the empty scope sees %d rows", len(none))
	}
	both, err := s.Search(t.Context(), scope(orgA, orgB), eventstore.Query{})
	must(t, err)
	if len(both) != 100 {
		t.Errorf("both tenants have 100 rows, not %d", len(both))
	}
}

func refused(t *testing.T, s eventstore.Store) {
	for _, q := range []string{`foo:(`, `* | nonsense`, `options(ignore_global_time_filter=true) *`} {
		if _, err := s.Search(t.Context(), scope(orgA), eventstore.Query{LogsQL: q}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", q, err)
		}
	}
	if _, err := s.Search(t.Context(), scope(orgA), eventstore.Query{LogsQL: string(make([]byte, eventstore.MaxQuery+1)) + "x"}); err == nil {
		t.Error("a query without end was taken")
	}
}

func known(t *testing.T, s eventstore.Store) {
	now := time.Now()
	fill(t, s, now)
	have, err := s.Known(t.Context(), 1, []string{"nod_org_a.0", "nod_org_a.49", "nod_org_a.50", "nod_org_b.1", `x" or *`}, now.Add(-2*time.Hour), now)
	must(t, err)
	if len(have) != 2 || !have["nod_org_a.0"] || !have["nod_org_a.49"] {
		t.Errorf("it knows %v", have)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
