package org_test

import (
	"testing"

	"noroshi/ident"
	"noroshi/label"
	"noroshi/org"
)

var tree = org.NewTree([]org.Organisation{{ID: "org_0"}, {ID: "org_a", Parent: "org_0"}, {ID: "org_a1", Parent: "org_a"}, {ID: "org_b", Parent: "org_0"}, {ID: "org_lost", Parent: "org_gone"}})

func TestTree(t *testing.T) {
	if got := tree.Subtree("org_a"); len(got) != 2 || got[1] != "org_a1" {
		t.Errorf("below a: %v", got)
	}
	if got := tree.Ancestors("org_a1"); len(got) != 2 || got[0] != "org_a" || got[1] != "org_0" {
		t.Errorf("above a1: %v", got)
	}
	if got := tree.Subtree("org_gone"); got != nil {
		t.Errorf("below nobody: %v", got)
	}
	loop := org.NewTree([]org.Organisation{{ID: "org_x", Parent: "org_y"}, {ID: "org_y", Parent: "org_x"}})
	if len(loop.Subtree("org_x")) != 2 || len(loop.Ancestors("org_x")) != 1 {
		t.Error("a cycle is not walked once")
	}
}

func TestAudience(t *testing.T) {
	for tlp, want := range map[label.TLP][]ident.ID{
		label.TLPUnknown: nil, label.TLPRed: {"org_a", "org_b"}, label.TLPAmberStrict: {"org_a", "org_b"},
		label.TLPAmber: {"org_a", "org_a1", "org_b"}, label.TLPGreen: {"org_0", "org_a", "org_a1", "org_b", "org_lost"},
	} {
		got := tree.Audience("org_a", tlp, []ident.ID{"org_b", "org_nobody"})
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", tlp, got, want)
		}
		for _, o := range want {
			if !got[o] {
				t.Errorf("%s leaves %s out", tlp, o)
			}
		}
	}
}
