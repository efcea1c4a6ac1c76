package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noroshi/access"
	"noroshi/eventstore"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/org"
)

// Secret is in every event of the tenant that nobody in the tests may see.
const Secret = "secret-of-b.example.test"

// Hostile are queries that might reach another tenant, or the engine.
func Hostile(foreignStream string) []string {
	return []string{
		`*`, Secret, `"query.hostname":~".*b.*"`, `_stream:{node="nod_org_b"}`, `{node=~".*"}`, `{node!="nod_org_a"}`, `node:="nod_org_b"`,
		`!node:nod_org_a`, `not *`, `_stream_id:` + foreignStream, `_stream_id:in(` + foreignStream + `)`, `_stream_id:` + foreignStream + ` or *`,
		`_stream_id:in(* | fields _stream_id)`, `_stream_id:in(_stream_id:` + foreignStream + ` | fields _stream_id)`,
		`* | join by (class) (* | fields class, "query.hostname" | uniq by (class, "query.hostname"))`,
		`* | join by ("metadata.sequence") (node:nod_org_b | fields "metadata.sequence", "query.hostname") inner`,
		`* | union (node:nod_org_b)`, `node:x | union (*)`, `* | union rows({a="b"})`,
		`"query.hostname":in(node:="nod_org_b" | fields "query.hostname")`, `"query.hostname":contains_any(* | fields "query.hostname")`,
		`* or ` + Secret + ` | uniq by ("query.hostname")`, `* | stats by (node) count() n, uniq_values("query.hostname") v`,
		`* | stats count() if ("query.hostname":in(* | fields "query.hostname")) n`, `* | facets 100 max_values_per_field 1000`, `* | field_names`, `* | field_values "query.hostname"`,
		`* | top 5 by ("query.hostname")`, `* | format "<_stream_id> <query.hostname>" as x`, `* | copy _stream_id x`, `* | set_stream_fields node`,
		`* | pack_json as x | unpack_json from x`, `* | extract "<a>.<b>" from "query.hostname"`, `* | running_stats count() n`, `* | total_stats count() n`,
		`* | stream_context before 10 after 10 time_window 1y`, `options(ignore_global_time_filter=true) *`, `options(global_filter=(*)) *`,
		`AccountID:2`, `* AccountID:2 ProjectID:0`, `* | delete AccountID`, `*"`, `"`, "`", `' or '1'='1`, `*)|(*`, `* # comment`, "* \x00", `;`, `*; *`,
		`_time:>1970-01-01Z`, `_time:100y offset -50y`, `* _time:day_range[00:00,24:00)`, `* | filter _time:100y`, `_msg:*`, `*:*`, `"":*`, `eq_field(node)`,
		`* | math 1 as x | sort by (x) rank as r partition by (node) limit 3`, `* | last 3 by (_time) partition by (node)`, `* | sample 1`,
		`* | hash(_msg) as h | len(_msg) as l | collapse_nums at _msg | decolorize`, `* | split "." from "query.hostname" as w | unroll by (w)`,
		`* | json_array_len("query.hostname") as n`, `* | time_add 1h`, `* | replace_regexp ("a", "b") at "query.hostname"`, `* | block_stats`, `* | blocks_count`,
		`class:in(* | uniq by (class) with hits)`, `* | generate_sequence 5`, `* | query_stats`, `* | unpack_words from _msg as w | unroll by (w) | uniq by (w)`,
	}
}

// isolated asks one store that has two tenants and one that has the first only,
// by every read path. Whoever may see the first tenant must get the same from
// both: rows, counts and errors.
func isolated(t *testing.T, both, alone eventstore.Store) {
	now := time.Now()
	var secret []eventstore.Row
	for i := range 30 {
		secret = append(secret, eventstore.Row{Tenant: 2, Event: Event("org_b", uint64(i), now.Add(-time.Duration(i)*time.Minute), Secret)})
	}
	add(t, both, secret)
	fill(t, both, now)
	fill(t, alone, now)
	id, err := both.Search(t.Context(), Scope(orgB), eventstore.Query{LogsQL: `* | uniq by (_stream_id) | copy _stream_id as x`})
	must(t, err)
	if len(id) != 1 || id[0].Fields["x"] == "" || id[0].Fields["_stream_id"] != "" {
		t.Fatalf("the stream of B is %v", id)
	}
	span := eventstore.Query{From: now.Add(-time.Hour), To: now.Add(time.Minute)}
	for _, q := range Hostile(id[0].Fields["x"]) {
		span.LogsQL = q
		got, want := everything(t, both, Scope(orgA), span), everything(t, alone, Scope(orgA), span)
		if got != want {
			t.Errorf("%s\n with B: %s\n without: %s", q, got, want)
		}
		if strings.Contains(got, Secret) && !strings.Contains(q, Secret) || strings.Contains(got, "org_b") && !strings.Contains(q, "org_b") {
			t.Errorf("%s shows %s", q, got)
		}
		if none := everything(t, both, access.Scope{}, span); strings.Contains(none, "{") {
			t.Errorf("%s: the empty scope sees %s", q, none)
		}
	}
	all, err := both.Search(t.Context(), Scope(orgA, orgB), eventstore.Query{})
	must(t, err)
	if len(all) != 80 {
		t.Errorf("both tenants have 80 rows, not %d", len(all))
	}
}

// everything is what a scope learns of a query, as text.
func everything(t *testing.T, s eventstore.Store, sc access.Scope, q eventstore.Query) string {
	t.Helper()
	var parts []string
	note := func(v any, err error) {
		if err != nil {
			if k := fault.KindOf(err); k == fault.Internal {
				t.Errorf("%s: %v", q.LogsQL, err)
			}
			parts = append(parts, fault.PublicOf(err))
			return
		}
		b, err := json.Marshal(v)
		must(t, err)
		parts = append(parts, string(b))
	}
	rows, err := s.Search(t.Context(), sc, q)
	var lines []string
	for _, r := range rows {
		lines = append(lines, fmt.Sprint(r.Time.UnixMilli(), r.Fields))
	}
	slices.Sort(lines) // Rows without an order come in any.
	note(lines, err)
	b, err := s.Histogram(t.Context(), sc, q, time.Minute)
	note(b, err)
	v, err := s.FieldNames(t.Context(), sc, q)
	note(v, err)
	v, err = s.FieldValues(t.Context(), sc, q, "query.hostname", 100)
	note(v, err)
	v, err = s.FieldValues(t.Context(), sc, q, `node" or *`, 100)
	note(v, err)
	return strings.Join(parts, "\n")
}

// scopes holds the store to a plain count of what each tenant was given.
func scopes(t *testing.T, s eventstore.Store) {
	now := time.Now()
	orgs := make([]org.Organisation, 5)
	model := make([]int, len(orgs))
	for i := range orgs {
		orgs[i].ID, orgs[i].Tenant = ident.ID(fmt.Sprintf("org_%d", i)), uint32(i*7+1)
	}
	seq := uint64(0)
	rapid.Check(t, func(r *rapid.T) {
		var rows []eventstore.Row
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(orgs)-1), 0, 6).Draw(r, "given to") {
			rows = append(rows, eventstore.Row{Tenant: orgs[i].Tenant, Event: Event(orgs[i].ID, seq, now.Add(-time.Duration(seq)*time.Millisecond), "x.test")})
			model[i]++
			seq++
		}
		must(t, s.Append(t.Context(), rows))
		must(t, s.Flush(t.Context()))
		var seen []org.Organisation
		want, total := map[string]int64{}, int64(0)
		for i, o := range orgs {
			if rapid.Bool().Draw(r, "may see") {
				seen = append(seen, o)
				if model[i] > 0 {
					want[string(o.ID)] = int64(model[i])
					total += int64(model[i])
				}
			}
		}
		v, err := s.FieldValues(t.Context(), Scope(seen...), eventstore.Query{}, "metadata.tenant_uid", 10)
		must(t, err)
		got := map[string]int64{}
		for _, x := range v {
			got[x.Value] = x.Count
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			r.Errorf("the scope of %d sees %v, want %v", len(seen), got, want)
		}
		n, err := s.Search(t.Context(), Scope(seen...), eventstore.Query{LogsQL: `* | stats count() n`})
		must(t, err)
		if len(seen) > 0 && n[0].Fields["n"] != fmt.Sprint(total) || len(seen) == 0 && n != nil {
			r.Errorf("the scope of %d counts %v, want %d", len(seen), n, total)
		}
	})
}
