// Package org is the vocabulary of organisations: who they are, how they stand
// in the tree (centre › ministry › operator), and who of them may see a marked
// record. It keeps no records: the ledger does.
package org

import (
	"net/netip"
	"sort"

	"noroshi/ident"
	"noroshi/label"
)

// Organisation is one tower of the line.
type Organisation struct {
	ID     ident.ID `json:"id"`
	Parent ident.ID `json:"parent,omitempty"` // "" for the root
	Slug   string   `json:"slug"`             // short name for the command line, [a-z0-9-]
	Name   string   `json:"name"`             // in English
	NameJA string   `json:"name_ja"`          // 日本語
	Kana   string   `json:"kana,omitempty"`   // reading of NameJA
	Sector string   `json:"sector"`           // centre, government, health, local, energy, finance, telecom, logistics, other
	Tenant uint32   `json:"-"`                // the event store's number for it, never shown
	Assets Assets   `json:"assets"`           // its own names and addresses, which the gate protects
	// RetentionDays is how long its records are kept; 0 is as long as the platform
	// keeps anybody's.
	RetentionDays int `json:"retention_days,omitempty"`
}

// Assets are the names and addresses an organisation says are its own.
type Assets struct {
	Domains  []string       `json:"domains,omitempty"`
	Prefixes []netip.Prefix `json:"prefixes,omitempty"`
}

// Tree is the organisations of one platform, read-only after NewTree.
type Tree struct {
	all      map[ident.ID]Organisation
	children map[ident.ID][]ident.ID
	order    []ident.ID
}

// NewTree builds the tree. An organisation whose parent is not listed stands as
// a root of its own, so that a missing record never widens what others see.
func NewTree(list []Organisation) *Tree {
	t := &Tree{all: make(map[ident.ID]Organisation, len(list)), children: map[ident.ID][]ident.ID{}}
	for _, o := range list {
		t.all[o.ID] = o
		t.order = append(t.order, o.ID)
	}
	sort.Slice(t.order, func(i, j int) bool { return t.order[i] < t.order[j] })
	for _, id := range t.order {
		if p := t.all[id].Parent; p != "" {
			t.children[p] = append(t.children[p], id)
		}
	}
	return t
}

// Get returns one organisation.
func (t *Tree) Get(id ident.ID) (Organisation, bool) { o, ok := t.all[id]; return o, ok }

// All returns every organisation, oldest first.
func (t *Tree) All() []Organisation {
	out := make([]Organisation, len(t.order))
	for i, id := range t.order {
		out[i] = t.all[id]
	}
	return out
}

// Subtree returns id and all below it; nil when id is not known. A cycle in the
// data is walked once.
func (t *Tree) Subtree(id ident.ID) []ident.ID {
	if _, ok := t.all[id]; !ok {
		return nil
	}
	seen := map[ident.ID]bool{id: true}
	out := []ident.ID{id}
	for i := 0; i < len(out); i++ {
		for _, c := range t.children[out[i]] {
			if !seen[c] {
				seen[c] = true
				out = append(out, c)
			}
		}
	}
	return out
}

// Ancestors returns the chain above id, nearest first.
func (t *Tree) Ancestors(id ident.ID) []ident.ID {
	seen := map[ident.ID]bool{id: true}
	var out []ident.ID
	for p := t.all[id].Parent; p != "" && !seen[p]; p = t.all[p].Parent {
		if _, ok := t.all[p]; !ok {
			break
		}
		seen[p] = true
		out = append(out, p)
	}
	return out
}

// Audience returns who may see a record of owner under tlp, when it was also
// shared with the organisations in with. RED: the owner and those named.
// AMBER+STRICT: the same. AMBER: these and all below them (their clients).
// GREEN and CLEAR: everybody on the platform. Unknown: nobody.
func (t *Tree) Audience(owner ident.ID, tlp label.TLP, with []ident.ID) map[ident.ID]bool {
	out := map[ident.ID]bool{}
	named := append([]ident.ID{owner}, with...)
	switch tlp {
	case label.TLPClear, label.TLPGreen:
		for _, id := range t.order {
			out[id] = true
		}
	case label.TLPAmber:
		for _, n := range named {
			for _, id := range t.Subtree(n) {
				out[id] = true
			}
		}
	case label.TLPAmberStrict, label.TLPRed:
		for _, n := range named {
			if _, ok := t.all[n]; ok {
				out[n] = true
			}
		}
	}
	return out
}
