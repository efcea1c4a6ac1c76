package systems

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"unique"

	"noroshi/access"
	"noroshi/bom"
	"noroshi/fault"
	"noroshi/ident"
)

// License is how many components of one system are under a license. The empty
// one is of components whose license the bill does not say.
type License struct {
	License    string `json:"license"`
	Components int    `json:"components"`
}

// maxLicenses is how many licenses of one system are told apart; the components
// under further ones are counted under MoreLicenses.
const (
	maxLicenses  = 500
	MoreLicenses = "…"
)

// licensesOf counts the licenses in a bill, the most frequent first. Their names
// are kept once for all systems.
func licensesOf(s bom.System) (list []License) {
	count := map[string]int{}
	for _, c := range s.Components {
		count[c.License]++
	}
	for name, n := range count {
		list = append(list, License{unique.Make(name).Value(), n})
	}
	slices.SortFunc(list, func(a, b License) int { return cmp.Or(b.Components-a.Components, cmp.Compare(a.License, b.License)) })
	if len(list) > maxLicenses {
		more := 0
		for _, l := range list[maxLicenses:] {
			more += l.Components
		}
		list = append(slices.Clone(list[:maxLicenses]), License{MoreLicenses, more})
	}
	return list
}

// LicenseUse is where a license is used, in the reader's organisations.
type LicenseUse struct {
	License    string `json:"license"`
	Systems    int    `json:"systems"`
	Components int    `json:"components"`
}

// LicensePlace is a system that has components under a license.
type LicensePlace struct {
	Org     ident.ID `json:"org"`
	System  ident.ID `json:"system"`
	Name    string   `json:"name"`
	Version string   `json:"version"`
	License
}

// LicensePage is one page of licenses.
type LicensePage struct {
	Items []LicenseUse `json:"items"`
	Next  string       `json:"next,omitempty"`
}

// LicensePlaces is one page of systems.
type LicensePlaces struct {
	Items []LicensePlace `json:"items"`
	Next  string         `json:"next,omitempty"`
}

// LicenseFilter chooses licenses. Empty parts choose all.
type LicenseFilter struct {
	Org    ident.ID
	Text   string // in the name of the license, in whatever case
	Cursor string // Next of the page before
	Limit  int    // 100 when zero, at most 500
}

// licensed hands over each license of each system that a filter chooses.
func (x *Systems) licensed(s access.Scope, f LicenseFilter, take func(*known, License)) error {
	m := x.mem
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.loaded(); err != nil {
		return err
	}
	text := strings.ToLower(f.Text)
	for _, k := range m.of {
		if k.State != Active || !s.Allows(k.Org) || f.Org != "" && k.Org != f.Org {
			continue
		}
		for _, l := range k.licenses {
			if strings.Contains(strings.ToLower(l.License), text) {
				take(k, l)
			}
		}
	}
	return nil
}

// Licenses lists the licenses of all systems' bills in force, those of the most
// systems first.
func (x *Systems) Licenses(_ context.Context, s access.Scope, f LicenseFilter) (p LicensePage, err error) {
	uses := map[string]*LicenseUse{}
	err = x.licensed(s, f, func(_ *known, l License) {
		u := uses[l.License]
		if u == nil {
			u = &LicenseUse{License: l.License}
			uses[l.License] = u
		}
		u.Systems++
		u.Components += l.Components
	})
	if err != nil {
		return p, err
	}
	all := make([]LicenseUse, 0, len(uses))
	for _, u := range uses {
		all = append(all, *u)
	}
	slices.SortFunc(all, func(a, b LicenseUse) int {
		return cmp.Or(b.Systems-a.Systems, b.Components-a.Components, cmp.Compare(a.License, b.License))
	})
	p.Items, p.Next, err = pageOf(all, f.Cursor, f.Limit)
	return p, err
}

// LicensePlaces lists the systems with components under licenses of some text, by
// organisation and name.
func (x *Systems) LicensePlaces(_ context.Context, s access.Scope, f LicenseFilter) (p LicensePlaces, err error) {
	all := []LicensePlace{}
	err = x.licensed(s, f, func(k *known, l License) {
		all = append(all, LicensePlace{k.Org, k.ID, k.Name, k.InForce.Version, l})
	})
	if err != nil {
		return p, err
	}
	slices.SortFunc(all, func(a, b LicensePlace) int {
		return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Name, b.Name), b.Components-a.Components, cmp.Compare(a.License.License, b.License.License))
	})
	p.Items, p.Next, err = pageOf(all, f.Cursor, f.Limit)
	return p, err
}

// LicensesOf counts the licenses in the bill in force of one system.
func (x *Systems) LicensesOf(s access.Scope, id ident.ID) []License {
	x.mem.mu.RLock()
	defer x.mem.mu.RUnlock()
	if k := x.mem.of[id]; k != nil && s.Allows(k.Org) {
		return append([]License{}, k.licenses...)
	}
	return []License{}
}

// pageOf cuts a page out of a list that was made whole; its cursor is a place in it.
func pageOf[T any](all []T, cursor string, limit int) (page []T, next string, err error) {
	from := 0
	if cursor != "" {
		if from, err = strconv.Atoi(cursor); err != nil || from < 0 {
			return nil, "", fault.New(fault.Invalid, "systems.page", "the cursor is not one of this list")
		}
	}
	if limit <= 0 || limit > 500 {
		limit = 100
	}
	from = min(from, len(all))
	to := min(from+limit, len(all))
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return all[from:to], next, nil
}
