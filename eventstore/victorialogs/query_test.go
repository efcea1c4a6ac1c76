package victorialogs_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/fault"
)

// FuzzQuery runs whatever readers might write against a store of two tenants.
// The engine must live (its panics end the process), answer in time, and show
// nothing of the tenant outside the scope.
func FuzzQuery(f *testing.F) {
	s := open(f, f.TempDir())
	f.Cleanup(func() { _ = s.Close() })
	now := time.Now()
	var rows []eventstore.Row
	for i := range 40 {
		at := now.Add(-time.Duration(i) * time.Minute)
		e := storetest.Event("org_a", uint64(i), at, fmt.Sprintf("a%d.example.test", i%5))
		e.Unmapped = map[string]string{"json": `{"a":[1,2,{"b":null}],"c":"d"}`, "logfmt": `a=b c="d e"`, "n": fmt.Sprint(i - 20), "ip": fmt.Sprintf("192.0.2.%d", i)}
		rows = append(rows, eventstore.Row{Tenant: 1, Event: e},
			eventstore.Row{Tenant: 2, Event: storetest.Event("org_b", uint64(i), at, storetest.Secret)})
	}
	if err := s.Append(f.Context(), rows); err != nil {
		f.Fatal(err)
	}
	if err := s.Sync(f.Context()); err != nil {
		f.Fatal(err)
	}
	for _, q := range storetest.Hostile("00000002000000007eed38a87f57a992c2f1945890625475") {
		f.Add(q)
	}
	for _, q := range pipesByExample {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ctx, cancel := context.WithTimeout(t.Context(), eventstore.Timeout)
		defer cancel()
		q := eventstore.Query{LogsQL: text, From: now.Add(-time.Hour), To: now.Add(time.Second)}
		rows, err := s.Search(ctx, storetest.Scope(tenantOne), q)
		if k := fault.KindOf(err); err != nil && k != fault.Invalid && k != fault.TooLarge && k != fault.Exhausted {
			t.Errorf("%q: %v", text, err)
		}
		if strings.Contains(text, "secret") || strings.Contains(text, "org_b") {
			return // What a reader writes may come back.
		}
		for _, r := range rows {
			for k, v := range r.Fields {
				if strings.Contains(v, storetest.Secret) || strings.Contains(v, "org_b") {
					t.Errorf("%q shows %s=%s", text, k, v)
				}
			}
		}
		if _, err := s.Histogram(ctx, storetest.Scope(tenantOne), q, time.Minute); err != nil && fault.KindOf(err) == fault.Internal {
			t.Errorf("%q by time: %v", text, err)
		}
	})
}

// pipesByExample has each pipe, filter and function at least once.
var pipesByExample = []string{
	`* | coalesce(a, node) as x | copy x y | mv y z | rm z`, `* | collapse_nums at _msg prettify`, `* | drop_empty_fields | keep _msg, _time`,
	`* | extract_regexp "(?P<x>a[0-9])" from _msg | top 3 by (x) hits as h rank as r`, `* | eval "unmapped.n" * 2 + 1 as m | sort by (m desc) limit 3`,
	`* | facets 5`, `* | field_names | limit 2`, `* | field_values class | offset 1`, `* | first 2 by (_time) partition by (class)`, `* | hash(_msg) as h`,
	`* | join by (class) (class:dns | stats by (class) count() n) prefix p_`, `* | json_array_len("unmapped.json") as l`, `* | last 2 by (_time)`,
	`* | math round("unmapped.n" / 3, 0.1) as m, max("unmapped.n", 3) as k, m ^ 2 % 3 default 0 as j`, `* | pack_json fields (class, node) as j | unpack_json from j fields (class) result_prefix q_`,
	`* | pack_logfmt as l | unpack_logfmt from l`, `* | replace ("a", "b") at _msg limit 1`, `* | replace_regexp ("a(.)", "$1") at _msg`,
	`* | sort by (_time) | running_stats by (class) count() n, sum("unmapped.n") s`, `* | total_stats by (class) count() n, min(_time) a`, `* | sample 2`,
	`* | skip 3 | head 4`, `* | split "." from "query.hostname" as w | unroll by (w) | uniq by (w) with hits limit 3`, `* | time_add 1h at _time`,
	`* | stats by (_time:5m, class) count() n, count_uniq(node) u, uniq_values(node, 3) v, sum("unmapped.n") s, avg("unmapped.n") a, min(_msg) mi, max(_msg) ma, median("unmapped.n") me, quantile(0.9, "unmapped.n") q, stddev("unmapped.n") sd`,
	`* | stats row_any(node) r, row_min("unmapped.n", node) a, row_max("unmapped.n") b, values(class) v, json_values(class) j, histogram("unmapped.n") h, rate() t, rate_sum("unmapped.n") u, count_empty(x) e, sum_len(_msg) l, field_max("unmapped.n", node) f, any(node) y, count_uniq_hash(node) z`,
	`* | stats count() if (class:in(* | uniq by (class))) n`, `* | union (class:process) | union (class:dns | limit 1)`, `* | unpack_syslog from _msg`, `* | unpack_words from _msg as w`,
	`* | unpack_json from "unmapped.json" if (class:dns) | unpack_logfmt from "unmapped.logfmt" keep_original_fields`, `* | where "unmapped.n":>3 | filter "unmapped.n":range[-5, 5)`,
	`"unmapped.ip":ipv4_range("192.0.2.0/28") or "unmapped.ip":ipv6_range("::/0")`, `_msg:seq("dns", "test") and _msg:i(DNS) and _msg:re("a[12]")`,
	`_msg:contains_all(dns, a) or _msg:contains_any(x, y)`, `class:string_range(a, z) class:len_range(1, 9)`, `class:=dns* and class:!=x and class:~"d.s"`,
	`_msg:pattern_match("dns A <W>.example.test")`, `_msg:pattern_match_full("<W> <W> <W>")`, `class:value_type(const)`, `class:eq_field(node) or class:lt_field(node) or class:le_field(node)`,
	`_msg:contains_common_case("Dns") or _msg:equals_common_case("DNS")`, `"unmapped.json":json_array_contains_any(a)`, `_time:5m offset 1h or _time:[2020-01-01, 2030-01-01)`,
	`_time:day_range[08:00, 18:00) _time:week_range[Mon, Fri]`, `{class="dns",node=~"nod.*"} or {class!~"x"}`, `*a1* or a1.ex* or "a1 b"*`, `not (a or b) !c -d`,
	`class:(a or b or (c and d))`, `"unmapped.n":>=-3 "unmapped.n":<1e9 "unmapped.n":>1KiB or x:<5m`, `class:in(dns, process) class:in(* | fields class)`,
	`* | format "<uc:class> <lc:node> <duration:x> <q:_msg> <base64encode:_msg> <hexencode:_msg> <time:x> <ipv4:y>" as z`, `* | format if (class:dns) "x" skip_empty_results`,
	`* | uniq by (class, node) | fields class`, `* | stats by ("unmapped.ip":/24) count() n`, `* | stats by ("unmapped.n":10 offset 3) count() n`,
	strings.Repeat("(", 2000), strings.Repeat("class:in(", 500), strings.Repeat("!", 4000) + "a", `* | union (` + strings.Repeat("* | union (", 14),
}
