package vlhttp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/vlhttp"
	"noroshi/ident"
	"noroshi/org"
)

// numbered is the number of an organisation that would stand out.
const numbered = 424242

// TestTheNumberOfAnOrganisationIsHidden looks for what the driver keeps in a row,
// in every way that a query has to name, list, copy or search a field.
func TestTheNumberOfAnOrganisationIsHidden(t *testing.T) {
	s := open(t, vlhttp.Config{Insert: start(t).URL()})
	e := storetest.Event("org_a", 1, time.Now(), "a.example.test")
	if err := s.Append(t.Context(), []eventstore.Row{{Tenant: numbered, Event: e}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	sc := storetest.Scope(org.Organisation{ID: "org_a", Tenant: numbered})
	for _, q := range []string{`*`, `* | fields org`, `* | copy org x`, `* | copy _stream x`, `* | format "<_stream> <org>" as x`, `* | pack_json as x`,
		`* | pack_logfmt as x`, `* | facets 100 max_values_per_field 1000 keep_const_fields`, `* | field_names`, `* | field_values org`, `* | field_values _stream`,
		`* | uniq by (org)`, `* | uniq by (_stream)`, `* | top by (_stream, org)`, `* | stats by (org) count() n`, `* | stats values(org) v, values(_stream) w, row_any() r`,
		`* | stats by (_stream) count() n`, `* | sort by (org) | rename org as x`, `* | extract "org=<x>}" from _stream`, `* | math org + 1 as x`, `* | stats max(org) x`,
		`* | stats sum(org) x`, `* | join by (node) (* | copy _stream x | fields node, x)`, `* | union (* | copy _stream x)`, `* | hash(org) as x | fields x`, `* | stats json_values() j`,
		`* | stats field_max(org, org) x`, `* | stats row_max(org) x`, `* | first 1 by (org)`, `* | unroll by (org)`, `* | stats count() n, quantile(0.5, org) x`} {
		rows, err := s.Search(t.Context(), sc, eventstore.Query{LogsQL: q})
		if err != nil {
			t.Errorf("%s: %v", q, err)
		}
		for _, r := range rows {
			for k, v := range r.Fields {
				if strings.Contains(v, "42424") || k == "org" && v != "" {
					t.Errorf("%s shows %s=%s", q, k, v)
				}
			}
		}
	}
	for _, q := range []string{`org:*`, `org:="424242"`, `org:>1`, `424242`, `org:~"4.*"`, `org:range[1, 9999999]`, `* | filter org:*`, `* | where org:*`} {
		rows, err := s.Search(t.Context(), sc, eventstore.Query{LogsQL: q})
		if err != nil || len(rows) > 0 {
			t.Errorf("%s finds %v, %v", q, rows, err)
		}
	}
	if v, err := s.FieldValues(t.Context(), sc, eventstore.Query{}, "org", 10); err != nil || len(v) > 0 {
		t.Errorf("the field has %v, %v", v, err)
	}
	// A stream is still found by the names that readers know.
	for _, q := range []string{`{class="dns"}`, `_stream:{class="dns"}`, `{class="dns"} {class=~"d.*"}`, `{class="x"} or {class="dns"}`, `* | filter {class="dns"}`} {
		if rows, err := s.Search(t.Context(), sc, eventstore.Query{LogsQL: q}); err != nil || len(rows) != 1 {
			t.Errorf("%s finds %v, %v", q, rows, err)
		}
	}
}

// TestAScopeMayBeLarge asks for a thousand organisations out of two thousand, by
// the path of every question.
func TestAScopeMayBeLarge(t *testing.T) {
	s := open(t, vlhttp.Config{Insert: start(t).URL()})
	now := time.Now()
	var rows []eventstore.Row
	var half []org.Organisation
	for i := range 2000 {
		o := org.Organisation{ID: ident.ID(fmt.Sprintf("org_%04d", i)), Tenant: uint32(1_000_000 + i)}
		rows = append(rows, eventstore.Row{Tenant: o.Tenant, Event: storetest.Event(o.ID, 1, now, "a.example.test")})
		if i%2 == 0 {
			half = append(half, o)
		}
	}
	if err := s.Append(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	sc := storetest.Scope(half...)
	found, err := s.Search(t.Context(), sc, eventstore.Query{})
	if err != nil || len(found) != 1000 {
		t.Errorf("it finds %d, %v", len(found), err)
	}
	for _, r := range found {
		if !sc.Allows(ident.ID(r.Fields["metadata.tenant_uid"])) {
			t.Errorf("it shows %v", r.Fields)
		}
	}
	n, err := s.Search(t.Context(), sc, eventstore.Query{LogsQL: `* | union (*) | stats count() n, count_uniq("metadata.tenant_uid") u`})
	if err != nil || n[0].Fields["n"] != "2000" || n[0].Fields["u"] != "1000" {
		t.Errorf("it counts %v, %v", n, err)
	}
	v, err := s.FieldValues(t.Context(), sc, eventstore.Query{}, "metadata.tenant_uid", 1000)
	if err != nil || len(v) != 1000 {
		t.Errorf("it lists %d, %v", len(v), err)
	}
	b, err := s.Histogram(t.Context(), sc, eventstore.Query{From: now.Add(-time.Minute), To: now.Add(time.Minute)}, 10*time.Minute)
	if err != nil || len(b) != 1 || b[0].Count != 1000 {
		t.Errorf("it counts by time %v, %v", b, err)
	}
}
