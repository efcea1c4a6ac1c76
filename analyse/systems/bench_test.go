package systems_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/analyse/systems"
	"noroshi/ledger/ledgertest"
)

// BenchmarkTenThousandSystems hands in 10,000 systems of 500 components from 5,000
// releases, and measures what readers and advisories then wait for: who is hit,
// one advisory more of a package that many have, and a hub that begins.
func BenchmarkTenThousandSystems(b *testing.B) {
	const count, parts = 10_000, 500
	r := newRig(b, ledgertest.SQLite(b))
	random := rand.New(rand.NewPCG(1, 1))
	for i := range count {
		var doc strings.Builder
		for range parts {
			fmt.Fprintf(&doc, "pkg:npm/p%d@%d.0.0\n", random.IntN(1000), random.IntN(5))
		}
		r.system(b, []access.Scope{r.a, r.b}[i%2], fmt.Sprintf("system-%05d", i), systems.Facts{}, doc.String())
	}
	r.load(b, "npm", archive(b, many(0, 100)...))
	began := time.Now()
	must(b, r.MatchAll(b.Context(), false))
	first := time.Since(began)
	began = time.Now()
	again := r.hub(b)
	start := time.Since(began)
	must(b, again.MatchAll(b.Context(), false))
	var m runtime.MemStats
	again = nil
	runtime.GC()
	runtime.ReadMemStats(&m)
	var who, match time.Duration
	for n := 0; b.Loop(); n++ {
		began = time.Now()
		w, err := r.WhoIsHit(b.Context(), r.centre, fmt.Sprint("CVE-2026-", n%100), "", 100)
		must(b, err)
		if w.Systems < 1000 {
			b.Fatalf("only %d systems are hit", w.Systems)
		}
		who = max(who, time.Since(began))
		text := advisory(fmt.Sprint("B-", n), fmt.Sprint("CVE-2027-", n), fmt.Sprint("p", n%1000), "3.0.0")
		began = time.Now()
		r.load(b, "", []byte(text))
		must(b, r.Match(b.Context()))
		match = max(match, time.Since(began))
	}
	// The loop forgets what was reported before it.
	b.ReportMetric(first.Seconds(), "s/first-match")
	b.ReportMetric(start.Seconds(), "s/start")
	b.ReportMetric(float64(m.HeapAlloc>>20), "MiB")
	b.ReportMetric(float64(who.Microseconds())/1000, "ms/who-max")
	b.ReportMetric(float64(match.Microseconds())/1000, "ms/advisory-max")
}
