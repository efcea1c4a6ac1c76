package attribute_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/analyse/attribute"
	"noroshi/discovery"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

// many is a ledger of twenty organisations with five thousand discoveries each, all
// like one that was kept, under other names.
func many(b *testing.B, db *ledger.DB) (*attribute.Attribution, access.Scope) {
	var all []org.Organisation
	for i := range 20 {
		all = append(all, org.Organisation{ID: ident.ID(fmt.Sprintf("org_%d", i)), Slug: fmt.Sprint("o", i), Tenant: uint32(i + 1), Assets: org.Assets{Domains: []string{"city.example"}}})
	}
	tree := org.NewTree(all)
	a := attribute.New(attribute.Deps{DB: db, Tree: func() *org.Tree { return tree }, Now: func() time.Time { return start }, Ident: ident.System(), Log: slog.New(slog.DiscardHandler)})
	c := discovery.Candidate{Asset: named("host.dept.city.example")}
	for _, k := range []discovery.Kind{discovery.Answer, discovery.Text, discovery.SPF} {
		c.Note(discovery.Evidence{Kind: k, Via: "city.example", Asked: "A host.dept.city.example", From: "192.0.2.53:53", Said: "192.0.2.1", At: start})
	}
	if _, err := a.Keep(b.Context(), all[0], discovery.Walk{Candidates: []discovery.Candidate{c}}); err != nil {
		b.Fatal(err)
	}
	err := db.Write(b.Context(), "bench", func(tx *ledger.Tx) error {
		for _, q := range []string{
			`INSERT INTO discovery WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
				SELECT d.id || i, 'org_' || (i % 20), kind, 'host-' || i || '.dept' || (i % 37) || '.city' || (i % 20) || '.example', state, judged, third_party, confidence, first_seen + i, last_seen, looked, version FROM n, discovery d`,
			`INSERT INTO discovery_body SELECT d.id, replace(b.body, 'host.dept.city.example', d.value) FROM discovery d, discovery_body b WHERE d.id <> b.id`,
			`UPDATE discovery_count SET n = 5000`,
			`INSERT INTO discovery_count SELECT DISTINCT d.org, c.tab, 5000 FROM discovery d, discovery_count c WHERE d.org <> c.org`,
			`ANALYZE discovery`,
		} {
			if _, err := tx.Exec(b.Context(), q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return a, access.Hub(tree, "bench")
}

// BenchmarkLists reads pages of 100,000 discoveries as the API does: a page and
// the counts beside it. What is asked for is rare, or not there at all, which
// leaves no page to end early.
func BenchmarkLists(b *testing.B) {
	for engine, open := range map[string]func(testing.TB) *ledger.DB{"sqlite": ledgertest.SQLite, "postgres": ledgertest.Postgres} {
		b.Run(engine, func(b *testing.B) {
			a, scope := many(b, open(b))
			for name, f := range map[string]attribute.Filter{
				"first":    {},
				"state":    {States: []attribute.State{attribute.Rejected}},
				"new":      {Since: attribute.NewSince(start), Confidence: 20},
				"one":      {Text: "host-4321.dept"},
				"none":     {Text: "no such name"},
				"of one":   {Text: "no such name", Org: "org_7"},
				"common":   {Text: "dept7"},
				"unlikely": {Confidence: 101},
			} {
				b.Run(name, func(b *testing.B) {
					var took []time.Duration
					for b.Loop() {
						from := time.Now()
						if _, err := a.List(b.Context(), scope, f); err != nil {
							b.Fatal(err)
						}
						took = append(took, time.Since(from))
					}
					p99(b, took)
				})
			}
			b.Run("counts", func(b *testing.B) {
				var took []time.Duration
				for b.Loop() {
					from := time.Now()
					if _, err := a.Counts(b.Context(), scope); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(from))
				}
				p99(b, took)
			})
		})
	}
}

func p99(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
