// Package storetest is the contract of an event store, as tests: every engine
// runs the same. Only tests import it.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

var (
	orgA = org.Organisation{ID: "org_a", Tenant: 1}
	orgB = org.Organisation{ID: "org_b", Tenant: 2}
)

// Scope is the hub's over some organisations.
func Scope(orgs ...org.Organisation) access.Scope {
	return access.Hub(org.NewTree(orgs), "test")
}

// Contract runs the whole contract on an engine that open opens empty.
func Contract(t *testing.T, open func(t *testing.T) eventstore.Store) {
	for name, test := range map[string]func(t *testing.T, s eventstore.Store){
		"finds what was appended": found, "counts by time": histogram, "lists names and values": values,
		"orders by time and stops at the limit": ordered, "says what is wrong with a query": refused,
		"names the rows that it cannot take": refusedRows, "knows what it has": known,
		"gives whole answers or none": interrupted, "closes": closes,
		"shows each scope its own": scopes, "deletes a tenant": deletes,
		"finds what events show": shown,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
	t.Run("finds tenants in any order", func(t *testing.T) { anyOrder(t, open(t)) })
	t.Run("shows nothing of another tenant", func(t *testing.T) { isolated(t, open(t), open(t)) })
}

// fill gives A fifty look-ups, one a minute back from now, of five names.
func fill(t *testing.T, s eventstore.Store, now time.Time) {
	t.Helper()
	var rows []eventstore.Row
	for i := range 50 {
		at := now.Add(-time.Duration(i) * time.Minute)
		rows = append(rows, eventstore.Row{Tenant: 1, Event: Event("org_a", uint64(i), at, fmt.Sprintf("a%d.example.test", i%5))})
	}
	add(t, s, rows)
}

func add(t *testing.T, s eventstore.Store, rows []eventstore.Row) {
	t.Helper()
	must(t, s.Append(t.Context(), rows))
	must(t, s.Flush(t.Context()))
}

func found(t *testing.T, s eventstore.Store) {
	now := time.Now()
	fill(t, s, now)
	sc := Scope(orgA)
	rows, err := s.Search(t.Context(), sc, eventstore.Query{LogsQL: `"query.hostname":="a1.example.test"`, Limit: 3})
	must(t, err)
	if len(rows) != 3 || rows[0].Fields["query.hostname"] != "a1.example.test" || rows[0].Fields["metadata.uid"] != "nod_org_a.1" {
		t.Fatalf("the newest three were expected: %+v", rows)
	}
	if !rows[0].Time.Equal(now.Add(-time.Minute).Truncate(time.Millisecond)) {
		t.Errorf("the time is %s, not %s", rows[0].Time, now.Add(-time.Minute))
	}
	// A record says everything that the event does, and whose and of what kind it is.
	want := map[string]string{"class": "dns", "node": "nod_org_a", "_msg": "dns A a1.example.test"}
	Event("org_a", 1, now, "a1.example.test").Flatten(func(k, v string) { want[k] = v })
	if fmt.Sprint(rows[0].Fields) != fmt.Sprint(want) {
		t.Errorf("the record is %v\nwant %v", rows[0].Fields, want)
	}
	rows, err = s.Search(t.Context(), sc, eventstore.Query{LogsQL: `* | stats by ("query.hostname") count() n | sort by (n)`})
	must(t, err)
	if len(rows) != 5 || rows[0].Fields["n"] != "10" {
		t.Errorf("a query with pipes gave %v", rows)
	}
}

func ordered(t *testing.T, s eventstore.Store) {
	now := time.Now()
	fill(t, s, now)
	for _, c := range []struct {
		q    eventstore.Query
		want string
	}{
		{eventstore.Query{Limit: 3}, "0 1 2"},
		{eventstore.Query{Limit: 3, Oldest: true}, "49 48 47"},
		{eventstore.Query{Limit: 2, To: now.Add(-30*time.Minute - time.Second)}, "31 32"},
		{eventstore.Query{Limit: 2, From: now.Add(-30*time.Minute - time.Second), Oldest: true}, "30 29"},
		{eventstore.Query{From: now.Add(-2*time.Minute - time.Second), To: now.Add(time.Second)}, "0 1 2"},
		{eventstore.Query{LogsQL: `"query.hostname":="a4.example.test" | fields _time, "metadata.sequence"`, Limit: 2, Oldest: true}, "49 44"},
		{eventstore.Query{LogsQL: `* | sort by (_time) | offset 2 | limit 2`}, "47 46"},
		{eventstore.Query{From: now, To: now.Add(-time.Hour)}, ""},
		{eventstore.Query{To: time.Unix(1, 0)}, ""},
	} {
		rows, err := s.Search(t.Context(), Scope(orgA), c.q)
		must(t, err)
		var got []string
		for _, r := range rows {
			got = append(got, r.Fields["metadata.sequence"])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v gave %v, want %s", c.q, got, c.want)
		}
	}
}

func histogram(t *testing.T, s eventstore.Store) {
	now := time.Now().Truncate(time.Hour).Add(30 * time.Minute)
	fill(t, s, now)
	q := eventstore.Query{LogsQL: `"query.hostname":="a0.example.test" | limit 1`, From: now.Add(-2 * time.Hour), To: now.Add(time.Second)}
	b, err := s.Histogram(t.Context(), Scope(orgA), q, time.Hour)
	must(t, err)
	hour := now.Truncate(time.Hour)
	if len(b) != 2 || b[0].Count != 3 || b[1].Count != 7 || !b[1].Start.Equal(hour) || !b[0].Start.Equal(hour.Add(-time.Hour)) {
		t.Errorf("the histogram is %v", b)
	}
	if _, err := s.Histogram(t.Context(), Scope(orgA), q, time.Second); fault.KindOf(err) != fault.Invalid {
		t.Errorf("7,200 steps: %v", err)
	}
	if _, err := s.Histogram(t.Context(), Scope(orgA), q, 0); fault.KindOf(err) != fault.Invalid {
		t.Errorf("steps of nothing: %v", err)
	}
}

func values(t *testing.T, s eventstore.Store) {
	now := time.Now()
	fill(t, s, now)
	add(t, s, []eventstore.Row{{Tenant: 1, Event: Event("org_a", 50, now, "a3.example.test")}})
	v, err := s.FieldValues(t.Context(), Scope(orgA), eventstore.Query{}, "query.hostname", 2)
	must(t, err)
	if fmt.Sprint(v) != "[{a3.example.test 11} {a0.example.test 10}]" {
		t.Errorf("the two most frequent values are %v", v)
	}
	v, err = s.FieldValues(t.Context(), Scope(orgA), eventstore.Query{LogsQL: "a1.example.test"}, "no.such", 2)
	must(t, err)
	if len(v) != 0 {
		t.Errorf("a field that is not there has %v", v)
	}
	for _, field := range []string{"", "*", "query.*", strings.Repeat("x", 129)} {
		if v, err := s.FieldValues(t.Context(), Scope(orgA), eventstore.Query{}, field, 2); fault.KindOf(err) != fault.Invalid {
			t.Errorf("the field %q has %v, %v", field, v, err)
		}
	}
	v, err = s.FieldNames(t.Context(), Scope(orgA), eventstore.Query{LogsQL: "a1.example.test"})
	must(t, err)
	if list := fmt.Sprint(v); !strings.Contains(list, "{query.hostname 10}") || strings.Contains(list, "_stream") {
		t.Errorf("the names are %v", v)
	}
}

func refused(t *testing.T, s eventstore.Store) {
	fill(t, s, time.Now())
	for q, want := range map[string]string{
		`foo:(`: "character 5: ", `* | nonsense`: "character 12: ", "\xff": "UTF-8",
		`options(ignore_global_time_filter=true) *`: "options", `options  (concurrency=1) *`: "options", "opt\u0130ons # x\n(concurrency=1) *": "options",
		`class:in(options(ignore_global_time_filter=true) * | fields class)`: "options", `* | union (options(concurrency=1) *)`: "options",
		`* | stream_context before 9 time_window 10y`: "stream_context", `* | STREAM_CONTEXT after 1`: "stream_context",
		`* | generate_sequence 1000000000`: "generate_sequence", `* | block_stats`: "block_stats", `* | query_stats`: "query_stats",
		`* | union (* | blocks_count)`: "blocks_count", `class:in(* | uniq by (class) with hits)`: "uniq", `class:in(* | uniq by (class) hits limit 5)`: "uniq",
		`* | filter class:in(* | uniq by (class) hits)`: "uniq", "*" + strings.Repeat(" | len(_msg) as n", eventstore.MaxPipes+1): "pipes",
		strings.Repeat(`x:~"a" `, 17): "regular expressions", strings.Repeat("x:RE # \n (\"a\") ", 17): "regular expressions", `x:~"` + strings.Repeat("[ab]", 33) + `"`: "regular expressions",
		`x:~"(?i)[^a]{1000}"`: "regular expressions", "x:~'(?i)([^a]{10}){3}'": "regular expressions", "# \"\n x:re(`((?i)[^a]{30})`)": "regular expressions",
		`* | extract_regexp "(?P<x>[^a]{21})"`: "regular expressions", `{node=~"[^a]{21}"}`: "regular expressions",
		`* | limit 5 | filter {class="dns"}`: "streams", `* | limit 5 | where (a or _stream:{class="dns"})`: "streams", `* | stats count() if ({class="dns"}) n`: "streams",
		`class:in(* | limit 5 | filter {class="dns"} | fields class)`: "streams",
		`_time:nonsense`: "", `* | extract_regexp "("`: "",
	} {
		_, err := s.Search(t.Context(), Scope(orgA), eventstore.Query{LogsQL: q})
		if k := fault.KindOf(err); err == nil || k != fault.Invalid && k != fault.TooLarge || !strings.Contains(fault.PublicOf(err), want) {
			t.Errorf("%s: %v", q, err)
		}
	}
	_, err := s.Search(t.Context(), Scope(orgA), eventstore.Query{LogsQL: strings.Repeat("a", eventstore.MaxQuery+1)})
	if fault.KindOf(err) != fault.TooLarge {
		t.Errorf("a query without end: %v", err)
	}
	// The same words are harmless where they are only searched for.
	for _, q := range []string{`"options(concurrency=1)"`, `x:"| stream_context"`, `* | extract "| block_stats <x>"`, `* | uniq by (class) with hits`,
		`x:"[^a]{1000}"`, `x:~"a" y:"` + strings.Repeat("~ re( _regexp ", 20) + `"`, `x:~"[^a]{9}" y:~"^[a-z]{200}$"`,
		`* | filter {class="dns"}`, `* | union ({class="dns"})`, `* | filter x:"{" | limit 5`, `* | limit 5 | filter x:y | union ({class="dns"})`,
		`* | stats count() if (x:y) n, count_uniq(class) if (x:"{") m`, `class:in(* | uniq by (class))`, `class:in(* | filter _msg:"uniq by (class) with hits" | fields class)`} {
		if _, err := s.Search(t.Context(), Scope(orgA), eventstore.Query{LogsQL: q}); err != nil {
			t.Errorf("%s: %v", q, err)
		}
	}
}

func refusedRows(t *testing.T, s eventstore.Store) {
	now := time.Now()
	wide := Event("org_a", 5, now, "wide.test")
	wide.Unmapped = map[string]string{strings.Repeat("k", 200): "v"}
	rows := []eventstore.Row{
		{Tenant: 1, Event: Event("org_a", 0, now, "a.test")},
		{Tenant: 1, Event: Event("org_a", 1, now.Add(-100*365*24*time.Hour), "old.test")},
		{Tenant: 1, Event: Event("org_a", 2, now.Add(48*time.Hour), "future.test")},
		{Tenant: 1, Event: Event("org_a", 3, time.UnixMilli(1<<62), "overflow.test")},
		{Tenant: 1, Event: Event("org_a", 4, time.UnixMilli(-1<<62), "underflow.test")},
		{Tenant: 1, Event: wide},
		{Tenant: 1, Event: Event("org_a", 6, now, "a.test")},
	}
	err := s.Append(t.Context(), rows)
	var r eventstore.RefusedRows
	if !errors.As(err, &r) {
		t.Fatalf("Append returned %v", err)
	}
	var which []int
	for _, x := range r {
		which = append(which, x.Index)
		if k := fault.KindOf(x.Err); k != fault.Invalid && k != fault.TooLarge {
			t.Errorf("row %d: %v", x.Index, x.Err)
		}
	}
	if fmt.Sprint(which) != "[1 2 3 4 5]" {
		t.Errorf("it refused %v", which)
	}
	must(t, s.Flush(t.Context()))
	have, err := s.Search(t.Context(), Scope(orgA), eventstore.Query{})
	must(t, err)
	if len(have) != 2 {
		t.Errorf("it took %v", have)
	}
}

func known(t *testing.T, s eventstore.Store) {
	now := time.Now()
	fill(t, s, now)
	odd := Event("org_a", 7, now, "odd.test")
	odd.Metadata.UID = "a\"b\\c\td\x00é'`*"
	// What is stored twice must not push others out of the answer.
	var rows []eventstore.Row
	for range 20 {
		rows = append(rows, eventstore.Row{Tenant: 1, Event: odd})
	}
	add(t, s, append(rows, eventstore.Row{Tenant: 2, Event: Event("org_b", 1, now, "b.test")}))
	uids := []string{"nod_org_a.0", "nod_org_a.49", "nod_org_a.50", "nod_org_b.1", `x" or *`, `*`, "", odd.Metadata.UID}
	have, err := s.Known(t.Context(), 1, uids, now.Add(-2*time.Hour), now)
	must(t, err)
	if len(have) != 3 || !have["nod_org_a.0"] || !have["nod_org_a.49"] || !have[odd.Metadata.UID] {
		t.Errorf("it knows %v", have)
	}
	for i := range 3000 { // More than one question holds.
		uids = append(uids, fmt.Sprintf("nod_org_a.%d", i))
	}
	have, err = s.Known(t.Context(), 1, uids, now.Add(-2*time.Hour), now)
	must(t, err)
	if len(have) != 51 {
		t.Errorf("it knows %d of 51", len(have))
	}
	have, err = s.Known(t.Context(), 1, uids, now.Add(-4*time.Hour), now.Add(-2*time.Hour))
	must(t, err)
	if len(have) != 0 {
		t.Errorf("before the first it knows %v", have)
	}
}

// interrupted asks with a context that has ended: half an answer must never
// pass for a whole one, least of all what Known does not know.
func interrupted(t *testing.T, s eventstore.Store) {
	now := time.Now()
	fill(t, s, now)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if rows, err := s.Search(ctx, Scope(orgA), eventstore.Query{}); err == nil {
		t.Errorf("Search gave %d rows", len(rows))
	}
	if have, err := s.Known(ctx, 1, []string{"nod_org_a.0"}, now.Add(-time.Hour), now); err == nil {
		t.Errorf("Known knew %v", have)
	}
	if v, err := s.FieldValues(ctx, Scope(orgA), eventstore.Query{}, "query.hostname", 5); err == nil {
		t.Errorf("FieldValues gave %v", v)
	}
}

func closes(t *testing.T, s eventstore.Store) {
	fill(t, s, time.Now())
	must(t, s.Sync(t.Context()))
	must(t, s.Sync(t.Context()))
	st, err := s.Stats(t.Context())
	must(t, err)
	if st.Rows != 50 || st.Full {
		t.Errorf("the state is %+v", st)
	}
	must(t, s.Close())
	must(t, s.Close())
	if err := s.Append(t.Context(), []eventstore.Row{{Tenant: 1, Event: Event("org_a", 1, time.Now(), "a.test")}}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a closed store took a row: %v", err)
	}
	if _, err := s.Search(t.Context(), Scope(orgA), eventstore.Query{}); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a closed store answered: %v", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
