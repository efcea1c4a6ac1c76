package identity_test

import (
	"net/netip"
	"strconv"
	"sync"
	"testing"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/org"
)

func TestOrganisationsKeepTheirNumbersAndTheirHistory(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx := t.Context()
		r := newRig(t, db)
		if r.a.Tenant != 1 || r.b.Tenant != 2 {
			t.Errorf("the first numbers are %d and %d", r.a.Tenant, r.b.Tenant)
		}
		other, err := identity.OpenOrganisations(ctx, r.deps)
		must(t, err)
		before, err := other.Tree(ctx)
		must(t, err)
		if same, err := other.Tree(ctx); err != nil || same != before {
			t.Errorf("nothing changed, but the tree did: %v", err)
		}
		x := org.Organisation{Slug: "b", Name: "Bee", NameJA: "乙", Kana: "おつ", Sector: "health", Parent: r.a.ID,
			Assets: org.Assets{Domains: []string{"b.example"}, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}
		put, err := r.orgs.Put(ctx, "person:x", x)
		must(t, err)
		if put.ID != r.b.ID || put.Tenant != 2 {
			t.Errorf("the same short name became %+v", put)
		}
		_, err = r.orgs.Put(ctx, "person:x", x) // Nothing new.
		must(t, err)
		after, err := other.Tree(ctx)
		must(t, err)
		got, ok := after.Get(r.b.ID)
		if !ok || got.Name != "Bee" || got.Tenant != 2 || len(got.Assets.Prefixes) != 1 || got.Assets.Domains[0] != "b.example" || got.Parent != r.a.ID {
			t.Errorf("another hub reads %+v", got)
		}
		if old, _ := before.Get(r.b.ID); old.Name != "B" {
			t.Errorf("a tree in use changed to %+v", old)
		}
		h, err := db.History(ctx, r.b.ID)
		if err != nil || len(h) != 2 || h[1].Actor != "person:x" {
			t.Errorf("the history is %+v, %v", h, err)
		}
		if s, err := other.BySlug(ctx, "b"); err != nil || s.ID != r.b.ID {
			t.Errorf("by short name: %+v, %v", s, err)
		}
		if _, err := other.BySlug(ctx, "nobody"); fault.KindOf(err) != fault.NotFound {
			t.Errorf("by unknown name: %v", err)
		}
	})
}

func TestOrganisationsRefuseWhatWouldBreakTheTree(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		for name, x := range map[string]org.Organisation{
			"below its child":  {Slug: "a", Name: "A", Parent: r.b.ID},
			"below itself":     {Slug: "a", Name: "A", Parent: r.a.ID},
			"below nobody":     {Slug: "c", Name: "C", Parent: "org_never"},
			"without a name":   {Slug: "c"},
			"with a long slug": {Slug: "C c", Name: "C"},
			"with a NUL":       {Slug: "c", Name: "C", Parent: "org\x00"},
		} {
			if _, err := r.orgs.Put(t.Context(), "t", x); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n := len(r.orgs.Current().All()); n != 2 {
			t.Errorf("there are %d organisations", n)
		}
	})
}

func TestTenantNumbersAreUniqueUnderHaste(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		r := newRig(t, db)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if _, err := r.orgs.Put(t.Context(), "t", org.Organisation{Slug: "s" + strconv.Itoa(i), Name: "S", Parent: r.a.ID}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		tree, err := r.orgs.Tree(t.Context())
		must(t, err)
		seen := map[uint32]ident.ID{}
		for _, x := range tree.All() {
			if y, twice := seen[x.Tenant]; twice || x.Tenant < 1 || x.Tenant > 22 {
				t.Errorf("%s and %s have the number %d", x.ID, y, x.Tenant)
			}
			seen[x.Tenant] = x.ID
		}
		if len(seen) != 22 {
			t.Errorf("%d organisations", len(seen))
		}
	})
}
