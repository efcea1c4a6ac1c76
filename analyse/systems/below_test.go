package systems_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/analyse/systems"
	"noroshi/ident"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

// TestDecisionsReachThoseBelow makes trees at random and lets organisations decide
// for themselves and for those below. What counts is reckoned anew in the slowest
// way: the newest of an organisation's own, else of the nearest above that decided
// for those below; and nobody sees more than before.
func TestDecisionsReachThoseBelow(t *testing.T) {
	auth, err := access.New(nil)
	must(t, err)
	for seed := range uint64(10) {
		random, ctx := rand.New(rand.NewPCG(seed, 22)), t.Context()
		r := newRig(t, ledgertest.SQLite(t))
		list := []org.Organisation{{ID: centre, Name: "0"}}
		for i := 1; i < 6; i++ {
			list = append(list, org.Organisation{ID: ident.ID(fmt.Sprint("org_", i)), Name: fmt.Sprint(i), Parent: list[random.IntN(i)].ID})
		}
		r.tree = org.NewTree(list)
		as := func(o ident.ID) access.Scope {
			s, err := auth.Scope(access.Principal{ID: "psn_" + o, Roles: map[ident.ID][]string{o: {access.Administrator}}}, r.tree, access.ManageSystems)
			must(t, err)
			return s
		}
		versions := map[ident.ID]int{}
		for _, o := range list {
			versions[o.ID] = 1 + random.IntN(3)
			sys, err := r.Add(ctx, as(o.ID), o.ID, systems.Facts{Name: "left"})
			must(t, err)
			_, err = r.Upload(ctx, as(o.ID), sys.ID, "", "", fmt.Appendf(nil, "pkg:npm/left@%d.0.0", versions[o.ID]))
			must(t, err)
		}
		r.load(t, "", []byte(advisory("GHSA-1", "CVE-2026-1", "left", "9.0.0")))
		type said struct {
			below   bool
			version int // 0 is any
			status  string
			day     int
			id      ident.ID
		}
		all, days := map[ident.ID][]said{}, random.Perm(28)
		for step := range 12 {
			o := list[random.IntN(len(list))].ID
			d := said{random.IntN(2) == 0, random.IntN(4), []string{"not_affected", "affected", "under_investigation"}[random.IntN(3)], 1 + days[step], ""}
			product := "pkg:npm/left"
			if d.version > 0 {
				product += fmt.Sprintf("@%d.0.0", d.version)
			}
			v, err := r.Decide(ctx, as(o), o, "x", d.below, decision("CVE-2026-1", product, d.status, d.day))
			must(t, err)
			if d.id = v.ID; random.IntN(5) == 0 {
				_, err := r.Withdraw(ctx, as(o), v.ID, v.Version, "x")
				must(t, err)
				continue
			}
			all[o] = append(all[o], d)
		}
		// What is called as a system below says nothing about it.
		_, err := r.Decide(ctx, as(centre), centre, "x", true, decision("CVE-2026-1", "left", "affected", 28))
		must(t, err)
		reckon := func(o ident.ID) (best said, from ident.ID) {
			for i, who := range append([]ident.ID{o}, r.tree.Ancestors(o)...) {
				for _, d := range all[who] {
					if (d.version == 0 || d.version == versions[o]) && (i == 0 || d.below) && d.day > best.day {
						best, from = d, who
					}
				}
				if i == 0 && o == centre && best.day < 28 {
					best, from = said{status: "affected", day: 28}, centre
				}
				if from != "" {
					break
				}
			}
			return best, from
		}
		other := r.hub(t)
		for _, o := range list {
			s := as(o.ID)
			for name, x := range map[string]*systems.Systems{"the hub": r.Systems, "another hub": other} {
				who, err := x.WhoIsHit(ctx, s, "CVE-2026-1", "", 0)
				must(t, err)
				if len(who.Items) != len(r.tree.Subtree(o.ID)) {
					t.Fatalf("seed %d: %s sees %d hits of %d organisations", seed, o.ID, len(who.Items), len(r.tree.Subtree(o.ID)))
				}
				for _, h := range who.Items {
					want, from := reckon(h.Org)
					d := h.Decision
					if from == "" {
						if d != nil {
							t.Fatalf("seed %d, %s: of %s somebody decided %+v", seed, name, h.Org, d)
						}
						continue
					}
					if d == nil || string(d.Status) != want.status || d.From != string(from) || !d.At.Equal(time.Date(2026, 11, want.day, 0, 0, 0, 0, time.UTC)) {
						t.Fatalf("seed %d, %s: of %s it is decided %+v instead of %+v by %s", seed, name, h.Org, d, want, from)
					}
					if seen := d.Record != ""; !s.Allows(h.Org) || seen != s.Allows(from) || seen && want.id != "" && d.Record != string(want.id) {
						t.Fatalf("seed %d, %s: %s sees of %s the record %q of %s", seed, name, o.ID, h.Org, d.Record, from)
					}
				}
			}
		}
	}
}
