package systems_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"noroshi/access"
	"noroshi/action"
	"noroshi/analyse/systems"
	"noroshi/ident"
	"noroshi/ledger/ledgertest"
)

// TestWhateverComesFirstTheActionsAreTheSame lets systems, their versions,
// advisories, decisions and withdrawals of both come in a random order with matches between them, on
// two hubs, and compares what the surveys left with a hub that begins with all of
// it and knows of no survey.
func TestWhateverComesFirstTheActionsAreTheSame(t *testing.T) {
	for seed := range uint64(12) {
		r := newRig(t, ledgertest.SQLite(t))
		random := rand.New(rand.NewPCG(seed, 3))
		hubs := []*systems.Systems{r.Systems, r.hub(t)}
		ids, advisories := map[string]ident.ID{}, 0
		said := func(x *systems.Systems, n int) {
			text := advisory(fmt.Sprint("A-", n), fmt.Sprint("CVE-2026-", random.IntN(6)), fmt.Sprint("p", random.IntN(4)), fmt.Sprint(1+random.IntN(3), ".0.0"))
			_, err := x.Load(t.Context(), r.centre, "", "x", []byte(strings.Replace(text, "2026-01-01", fmt.Sprintf("2026-01-%02d", 1+random.IntN(28)), 1)))
			must(t, err)
		}
		for step := range 60 {
			ctx, x := t.Context(), hubs[random.IntN(2)]
			must(t, x.Refresh(ctx))
			name, s := fmt.Sprint("s", random.IntN(4)), []access.Scope{r.a, r.b}[random.IntN(2)]
			key := name + string(s.Orgs()[0])
			switch random.IntN(9) {
			case 0, 1:
				if ids[key] == "" {
					sys, err := x.Add(ctx, s, s.Orgs()[0], systems.Facts{Name: name})
					must(t, err)
					ids[key] = sys.ID
				}
				parts := ""
				for range random.IntN(4) {
					parts += fmt.Sprintf("pkg:npm/p%d@%d.0.0 ", random.IntN(4), random.IntN(4))
				}
				_, err := x.Upload(ctx, s, ids[key], fmt.Sprint(step), "", []byte(parts))
				must(t, err)
			case 2:
				said(x, advisories)
				advisories++
			case 3:
				if advisories > 0 {
					_, err := x.Load(ctx, r.centre, "", "x", fmt.Appendf(nil, `{"id":"A-%d","modified":"2026-02-01T00:00:00Z","withdrawn":"2026-02-01T00:00:00Z"}`, random.IntN(advisories)))
					must(t, err)
				}
			case 4:
				_, err := x.Load(ctx, r.centre, "all", "x", archive(t, many(0, 2+random.IntN(3))...))
				must(t, err)
			case 5: // One is said anew, of another package and by another name.
				if advisories > 0 {
					said(x, random.IntN(advisories))
				}
			case 6:
				product := fmt.Sprint("pkg:npm/p", random.IntN(4), []string{"", "@2.0.0", "?vers=vers:npm/<2.0.0"}[random.IntN(3)])
				status := []string{"not_affected", "not_affected", "affected"}[random.IntN(3)]
				for n := range 6 {
					_, err := x.Decide(ctx, s, s.Orgs()[0], "x", false, decision(fmt.Sprint("CVE-2026-", n), product, status, 1+random.IntN(28)))
					must(t, err)
				}
			case 7:
				p, err := x.Decided(ctx, s, systems.VEXFilter{})
				must(t, err)
				if len(p.Items) == 0 {
					break
				}
				if v := p.Items[random.IntN(len(p.Items))]; v.State == systems.InForce {
					_, err := x.Withdraw(ctx, s, v.ID, v.Version, "x")
					must(t, err)
				}
			case 8:
				must(t, r.Match(ctx)) // One hub at a time matches.
			}
		}
		must(t, r.Match(t.Context()))
		left := r.board.says()
		r.board.there = map[string]action.Weakness{}
		must(t, r.hub(t).MatchAll(t.Context(), true))
		if anew := r.board.says(); !reflect.DeepEqual(left, anew) {
			for k, v := range left {
				if anew[k] != v {
					t.Errorf("seed %d: one by one %s\n all at once %s", seed, v, anew[k])
				}
				delete(anew, k)
			}
			for v := range maps.Values(anew) {
				t.Errorf("seed %d: only all at once: %s", seed, v)
			}
		}
	}
}
