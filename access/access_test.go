package access_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/org"
)

// allowed is the slow, obvious reference of the embedded policies.
func allowed(tree *org.Tree, p access.Principal, o ident.ID, roles ...string) bool {
	for at, held := range p.Roles {
		for _, below := range tree.Subtree(at) {
			for _, h := range held {
				for _, r := range roles {
					if below == o && h == r {
						return true
					}
				}
			}
		}
	}
	return false
}

var permitted = map[access.Action][]string{
	access.ViewFindings:        {"viewer", "analyst", "operator", "administrator"},
	access.DecideIndicators:    {"analyst", "administrator"},
	access.CutNodes:            {"operator", "administrator"},
	access.ManageOrganisations: {"administrator"},
}

func TestScopeHoldsExactlyWhatTheRolesPermit(t *testing.T) {
	auth, err := access.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "n")
		var list []org.Organisation
		for i := range n {
			o := org.Organisation{ID: ident.ID(fmt.Sprintf("org_%02d", i)), Tenant: uint32(i + 1)}
			if i > 0 && rapid.Bool().Draw(t, "child") {
				o.Parent = ident.ID(fmt.Sprintf("org_%02d", rapid.IntRange(0, i-1).Draw(t, "parent")))
			}
			list = append(list, o)
		}
		tree := org.NewTree(list)
		p := access.Principal{ID: "psn_x", Roles: map[ident.ID][]string{}}
		for range rapid.IntRange(0, 3).Draw(t, "roles") {
			at := list[rapid.IntRange(0, n-1).Draw(t, "at")].ID
			p.Roles[at] = append(p.Roles[at], rapid.SampledFrom([]string{"viewer", "analyst", "operator", "administrator", "nonsense"}).Draw(t, "role"))
		}
		for action, roles := range permitted {
			s, err := auth.Scope(p, tree, action)
			some := false
			for i, o := range list {
				want := allowed(tree, p, o.ID, roles...)
				some = some || want
				if s.Allows(o.ID) != want {
					t.Fatalf("%s at %s: scope says %v, the roles %v say %v", action, o.ID, !want, p.Roles, want)
				}
				_ = i
			}
			if some != (err == nil) || (!some && fault.KindOf(err) != fault.Denied) {
				t.Fatalf("%s: %v", action, err)
			}
			if len(s.Tenants()) != len(s.Orgs()) {
				t.Fatalf("%d tenants for %d organisations", len(s.Tenants()), len(s.Orgs()))
			}
		}
	})
}

func TestZeroScopeAllowsNothing(t *testing.T) {
	var s access.Scope
	if s.Allows("") || s.Allows("org_00") || len(s.Tenants()) != 0 || len(s.Orgs()) != 0 {
		t.Error("the zero scope allows something")
	}
}

func TestForbidOverridesPermit(t *testing.T) {
	auth, err := access.New([]byte(`permit(principal, action, resource); forbid(principal, action == Action::"CutNodes", resource);`))
	if err != nil {
		t.Fatal(err)
	}
	tree := org.NewTree([]org.Organisation{{ID: "org_a", Tenant: 1}})
	if _, err := auth.Scope(access.Principal{ID: "psn_x"}, tree, access.ViewNodes); err != nil {
		t.Error(err)
	}
	if _, err := auth.Scope(access.Principal{ID: "psn_x"}, tree, access.CutNodes); fault.KindOf(err) != fault.Denied {
		t.Errorf("a forbidden action: %v", err)
	}
	if _, err := access.New([]byte("permit(")); fault.KindOf(err) != fault.Invalid {
		t.Errorf("broken policies: %v", err)
	}
}

func BenchmarkScopeOfThousandOrganisations(b *testing.B) {
	auth, _ := access.New(nil)
	list := []org.Organisation{{ID: "org_root", Tenant: 1}}
	for i := range 1000 {
		list = append(list, org.Organisation{ID: ident.ID(fmt.Sprintf("org_%04d", i)), Parent: "org_root", Tenant: uint32(i + 2)})
	}
	p := access.Principal{ID: "psn_x", Roles: map[ident.ID][]string{"org_root": {"analyst"}}}
	for b.Loop() { // A new tree each time: nothing is remembered.
		if _, err := auth.Scope(p, org.NewTree(list), access.ViewFindings); err != nil {
			b.Fatal(err)
		}
	}
}
