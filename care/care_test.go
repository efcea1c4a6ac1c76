package care_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"noroshi/access"
	"noroshi/care"
	"noroshi/eventstore"
	"noroshi/eventstore/storetest"
	"noroshi/eventstore/victorialogs"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/ledger"
	"noroshi/ledger/ledgertest"
	"noroshi/ledger/quarantine"
	"noroshi/org"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rig is a federation of a centre with two members, a and b.
type rig struct {
	db           *ledger.DB
	orgs         *identity.Organisations
	people       *identity.People
	quarantine   *quarantine.Store
	now          time.Time
	centre, a, b org.Organisation
	scope        access.Scope
}

func newRig(t *testing.T, db *ledger.DB) *rig {
	t.Helper()
	r := &rig{db: db, now: time.Now()}
	deps := identity.Deps{DB: db, Now: func() time.Time { return r.now }, Ident: ident.System()}
	var err error
	r.orgs, err = identity.OpenOrganisations(t.Context(), deps)
	must(t, err)
	put := func(x org.Organisation) org.Organisation {
		x, err := r.orgs.Put(t.Context(), "hub:test", x)
		must(t, err)
		return x
	}
	r.centre = put(org.Organisation{Slug: "centre", Name: "Centre"})
	r.a = put(org.Organisation{Slug: "a", Name: "A", Parent: r.centre.ID, RetentionDays: 2})
	r.b = put(org.Organisation{Slug: "b", Name: "B", Parent: r.centre.ID})
	r.people = identity.NewPeople(deps)
	r.quarantine = quarantine.New(db, func() time.Time { return r.now }, ident.System())
	r.scope = r.as(t, r.centre.ID)
	return r
}

// as is what an administrator of an organisation may delete.
func (r *rig) as(t *testing.T, at ident.ID) access.Scope {
	t.Helper()
	auth, err := access.New(nil)
	must(t, err)
	s, err := auth.Scope(access.Principal{ID: "psn_x", Roles: map[ident.ID][]string{at: {access.Administrator}}}, r.orgs.Current(), access.DeleteOrganisations)
	must(t, err)
	return s
}

// care makes the work with steps that are remembered; one fails until it is let.
func (r *rig) care(made *[]string, fails *string) *care.Care {
	step := func(name string) care.Step {
		return care.Step{Name: name, Run: func(_ context.Context, d care.Deletion) (int64, error) {
			*made = append(*made, name)
			if *fails == name {
				return 0, errors.New("the power fails")
			}
			if d.Org != r.a.ID || d.Tenant != r.a.Tenant {
				return 0, errors.New("another organisation's records")
			}
			return 7, nil
		}}
	}
	return care.New(care.Deps{DB: r.db, Orgs: r.orgs, Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler), Steps: []care.Step{step("one"), step("two"), step("three")}})
}

func TestDeletionGoesOnAfterACrashAndIsOnRecord(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		var made []string
		fails := "two"
		_, err := r.people.Add(ctx, access.Hub(r.orgs.Current(), "t"), "P", map[ident.ID][]string{r.a.ID: {access.Analyst}, r.b.ID: {access.Viewer}})
		must(t, err)
		c := r.care(&made, &fails)
		d, err := c.Delete(ctx, r.scope, r.a.ID, "contract ended")
		must(t, err)
		if err := c.Continue(ctx); err == nil || !slices.Equal(made, []string{"one", "two"}) {
			t.Fatalf("made %v, %v", made, err)
		}
		again, err := r.care(&made, &fails).Delete(ctx, r.scope, r.a.ID, "asked twice")
		must(t, err)
		if again.Basis != d.Basis || !maps.Equal(again.Counts, map[string]int64{"one": 7}) {
			t.Errorf("asking again answers %+v", again)
		}
		fails = ""
		c = r.care(&made, &fails) // The program was started again.
		must(t, c.Continue(ctx))
		must(t, c.Continue(ctx))
		if !slices.Equal(made, []string{"one", "two", "two", "three"}) {
			t.Errorf("the steps made are %v", made)
		}
		list, err := c.Deletions(ctx, r.as(t, r.centre.ID))
		must(t, err)
		if len(list) != 1 || list[0].Done.IsZero() || list[0].By != "person:psn_x" || len(list[0].Counts) != 3 {
			t.Errorf("the report is %+v", list)
		}
		if list, err := c.Deletions(ctx, r.as(t, r.b.ID)); err != nil || len(list) != 0 {
			t.Errorf("another member sees %v, %v", list, err)
		}
		h, err := db.History(ctx, r.a.ID)
		must(t, err)
		if last := h[len(h)-1]; last.Action != "deleted" || last.Actor != "person:psn_x" {
			t.Errorf("the history ends with %+v", last)
		}
		if _, ok := r.orgs.Current().Get(r.a.ID); ok {
			t.Error("the organisation is still there")
		}
		if _, err := r.orgs.Put(ctx, "hub:test", org.Organisation{Slug: "a", Name: "A", Parent: r.centre.ID}); fault.KindOf(err) != fault.Conflict {
			t.Errorf("its short name was given away: %v", err)
		}
	})
}

// TestNumberOfTheLastOrganisationIsNotUsedAgain: its events may still lie in a
// backup, and another must never see them.
func TestNumberOfTheLastOrganisationIsNotUsedAgain(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		must(t, r.orgs.Remove(ctx, "t", r.b.ID, nil, func(*ledger.Tx) error { return nil }))
		c, err := r.orgs.Put(ctx, "t", org.Organisation{Slug: "c", Name: "C", Parent: r.centre.ID})
		must(t, err)
		if c.Tenant <= r.b.Tenant {
			t.Errorf("c has the number %d, b had %d", c.Tenant, r.b.Tenant)
		}
	})
}

func TestWhatCannotBeDeletedIsRefused(t *testing.T) {
	ledgertest.Each(t, func(t *testing.T, db *ledger.DB) {
		ctx, r := t.Context(), newRig(t, db)
		below, err := r.orgs.Put(ctx, "t", org.Organisation{Slug: "below", Name: "Below", Parent: r.b.ID})
		must(t, err)
		var made []string
		c := r.care(&made, new(string))
		for name, x := range map[string]struct {
			scope access.Scope
			org   ident.ID
			basis string
			want  fault.Kind
		}{
			"without a basis":    {r.scope, r.a.ID, "", fault.Invalid},
			"the centre":         {r.scope, r.centre.ID, "x", fault.Invalid},
			"with some below":    {r.as(t, r.centre.ID), r.b.ID, "x", fault.Conflict},
			"another's":          {r.as(t, r.b.ID), r.a.ID, "x", fault.NotFound},
			"its own":            {r.as(t, r.a.ID), r.a.ID, "x", fault.Denied},
			"nobody's":           {r.scope, "org_none", "x", fault.NotFound},
			"outside what I may": {access.Scope{}, below.ID, "x", fault.NotFound},
		} {
			if _, err := c.Delete(ctx, x.scope, x.org, x.basis); fault.KindOf(err) != x.want || err == nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, c.Continue(ctx))
		if len(made) > 0 {
			t.Errorf("the steps %v were made", made)
		}
	})
}

// TestRetentionDropsOnlyWhatItShould lets time pass for two members, of whom one
// keeps its records for two days.
func TestRetentionDropsOnlyWhatItShould(t *testing.T) {
	ctx, r := t.Context(), newRig(t, ledgertest.SQLite(t))
	events, err := victorialogs.Open(victorialogs.Config{Dir: t.TempDir(), MemoryMiB: 128, Retention: 30 * 24 * time.Hour}, slog.New(slog.DiscardHandler))
	must(t, err)
	defer func() { must(t, events.Close()) }()
	start := r.now
	for day := range 6 {
		at := start.AddDate(0, 0, -day)
		r.now = at
		for _, o := range []org.Organisation{r.a, r.b} {
			must(t, events.Append(ctx, []eventstore.Row{{Tenant: o.Tenant, Event: storetest.Event(o.ID, uint64(100+day), at, "x.test")}}))
			must(t, r.quarantine.Put(ctx, []quarantine.Quarantined{{Org: o.ID, Node: "nod_1", Place: "p", Reason: "r"}}))
		}
	}
	r.now = start
	must(t, events.Flush(ctx))
	rules := []care.Rule{
		{Name: "events", Run: func(ctx context.Context, o org.Organisation, before time.Time) (int64, error) {
			return 0, events.DeleteTenant(ctx, o.Tenant, before)
		}},
		{Name: "quarantine", Run: func(ctx context.Context, o org.Organisation, before time.Time) (int64, error) {
			return r.quarantine.Forget(ctx, o.ID, before)
		}},
	}
	c := care.New(care.Deps{DB: r.db, Orgs: r.orgs, Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler), Rules: rules})
	for range 2 { // The second day finds nothing.
		must(t, c.Retain(ctx))
		for _, x := range []struct {
			org           org.Organisation
			events, aside int
		}{{r.a, 3, 3}, {r.b, 6, 6}} { // What is two days old to the moment stays.
			rows, err := events.Search(ctx, storetest.Scope(x.org), eventstore.Query{})
			must(t, err)
			list, total, err := r.quarantine.List(ctx, storetest.Scope(x.org), 100)
			must(t, err)
			if len(rows) != x.events || len(list) != x.aside || total != 6 {
				t.Errorf("%s keeps %d events and %d of %d in quarantine", x.org.Slug, len(rows), len(list), total)
			}
		}
	}
}
