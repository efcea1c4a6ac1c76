package access_test

import (
	"fmt"
	"slices"
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

var (
	all     = []string{"viewer", "analyst", "operator", "administrator"}
	decides = []string{"analyst", "administrator"}
	runs    = []string{"operator", "administrator"}
)

var permitted = map[access.Action][]string{
	access.ViewBeacon: all, access.ViewFindings: all, access.ViewIndicators: all, access.SearchEvents: all,
	access.ViewNodes: all, access.ViewOrganisations: all,
	access.TriageFindings: decides, access.DecideIndicators: decides, access.RevokeIndicators: decides,
	access.EnrolNodes: runs, access.CutNodes: runs, access.ViewQuarantine: runs,
	access.DecideWeaknesses:    {"analyst", "operator", "administrator"},
	access.ManageOrganisations: {"administrator"},
	"SomethingNew":             {"administrator"},
}

// drawOrgs makes trees with several roots, cycles, and parents that are no
// longer there.
func drawOrgs(t *rapid.T) []org.Organisation {
	n := rapid.IntRange(1, 12).Draw(t, "n")
	var list []org.Organisation
	for i := range n {
		o := org.Organisation{ID: ident.ID(fmt.Sprintf("org_%02d", i)), Tenant: uint32(100 - i)}
		if parent := rapid.IntRange(-1, n+1).Draw(t, "parent"); parent >= 0 {
			o.Parent = ident.ID(fmt.Sprintf("org_%02d", parent))
		}
		list = append(list, o)
	}
	return list
}

func TestScopeHoldsExactlyWhatTheRolesPermit(t *testing.T) {
	auth, err := access.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		list := drawOrgs(t)
		tree := org.NewTree(list)
		p := access.Principal{ID: "psn_x", Roles: map[ident.ID][]string{}}
		for range rapid.IntRange(0, 3).Draw(t, "roles") {
			at := ident.ID(fmt.Sprintf("org_%02d", rapid.IntRange(0, len(list)+1).Draw(t, "at")))
			p.Roles[at] = append(p.Roles[at], rapid.SampledFrom([]string{"viewer", "analyst", "operator", "administrator", "nonsense"}).Draw(t, "role"))
		}
		for action, roles := range permitted {
			s, err := auth.Scope(p, tree, action)
			var want []ident.ID
			var tenants []uint32
			for _, o := range list {
				if allowed(tree, p, o.ID, roles...) {
					want, tenants = append(want, o.ID), append(tenants, o.Tenant)
				}
				if s.Allows(o.ID) != slices.Contains(want, o.ID) {
					t.Fatalf("%s at %s: scope says %v, the roles %v do not", action, o.ID, s.Allows(o.ID), p.Roles)
				}
			}
			if !slices.Equal(s.Orgs(), want) || !slices.Equal(s.Tenants(), tenants) {
				t.Fatalf("%s: %v with %v instead of %v with %v", action, s.Orgs(), s.Tenants(), want, tenants)
			}
			if len(want) > 0 && (err != nil || s.Actor() != "person:psn_x" || s.Action() != action || len(s.Realms()) != 2) {
				t.Fatalf("%s: %v, as %q, %q", action, err, s.Actor(), s.Action())
			}
			if len(want) == 0 && fault.KindOf(err) != fault.Denied {
				t.Fatalf("%s: %v", action, err)
			}
		}
	})
}

// TestScopeFollowsRolesAndTree changes what a remembered answer hangs on.
func TestScopeFollowsRolesAndTree(t *testing.T) {
	auth, err := access.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	list := []org.Organisation{{ID: "org_a", Tenant: 1}, {ID: "org_b", Tenant: 2}}
	tree := org.NewTree(list)
	p := access.Principal{ID: "psn_x", Roles: map[ident.ID][]string{"org_a": {access.Viewer}}}
	first, err := auth.Scope(p, tree, access.ViewFindings)
	if err != nil || !slices.Equal(first.Orgs(), []ident.ID{"org_a"}) {
		t.Fatal(first.Orgs(), err)
	}
	first.Orgs()[0], first.Tenants()[0] = "org_b", 2
	if again, err := auth.Scope(p, tree, access.ViewFindings); err != nil || again.Orgs()[0] != "org_a" || again.Tenants()[0] != 1 {
		t.Errorf("a caller changed what is remembered: %v %v", again.Orgs(), err)
	}
	p.Roles["org_a"] = nil
	if _, err := auth.Scope(p, tree, access.ViewFindings); fault.KindOf(err) != fault.Denied {
		t.Errorf("a role that was taken away still counts: %v", err)
	}
	p.Roles["org_a"] = []string{access.Viewer}
	list[1].Parent = "org_a"
	if s, err := auth.Scope(p, org.NewTree(list), access.ViewFindings); err != nil || len(s.Orgs()) != 2 {
		t.Errorf("in the new tree: %v %v", s.Orgs(), err)
	}
	if s, err := auth.Scope(p, tree, access.ViewFindings); err != nil || len(s.Orgs()) != 1 {
		t.Errorf("in the old tree: %v %v", s.Orgs(), err)
	}
}

func TestHubSeesAllAndSaysWhoItIs(t *testing.T) {
	s := access.Hub(org.NewTree([]org.Organisation{{ID: "org_a", Tenant: 1}, {ID: "org_b", Tenant: 2}}), "intel")
	if s.Actor() != "hub:intel" || !s.Allows("org_a") || !s.Allows("org_b") || s.Allows("org_c") || len(s.Tenants()) != 2 {
		t.Errorf("the hub's scope is %v as %q", s.Orgs(), s.Actor())
	}
}

func TestZeroScopeAllowsNothing(t *testing.T) {
	var s access.Scope
	if s.Allows("") || s.Allows("org_00") || len(s.Tenants()) != 0 || len(s.Orgs()) != 0 || len(s.Realms()) != 0 || s.Actor() != "" {
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
	b.Run("asked", func(b *testing.B) {
		for b.Loop() { // A new tree each time: nothing is remembered.
			if _, err := auth.Scope(p, org.NewTree(list), access.ViewFindings); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("remembered", func(b *testing.B) {
		tree := org.NewTree(list)
		for b.Loop() {
			if _, err := auth.Scope(p, tree, access.ViewFindings); err != nil {
				b.Fatal(err)
			}
		}
	})
}
