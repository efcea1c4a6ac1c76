// Package care does what a platform must do for as long as it runs: it drops
// what an organisation does not keep any longer, and deletes an organisation
// that leaves the federation. It knows the order, the records of it and how to
// go on after a crash; what each step deletes belongs to its stage, and app hands
// the steps over. The API and the command line ask for a deletion.
package care

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/identity"
	"noroshi/ledger"
	"noroshi/org"
)

// Step deletes one kind of an organisation's records and tells how many they
// were. It is run again after a crash, and once more for a week, for what was on
// its way when the nodes were cut off: a second run finds nothing.
type Step struct {
	Name string
	Run  func(ctx context.Context, d Deletion) (int64, error)
}

// Rule drops one kind of an organisation's records from before a moment.
type Rule struct {
	Name string
	Run  func(ctx context.Context, o org.Organisation, before time.Time) (int64, error)
}

// Deps is what care works with.
type Deps struct {
	DB    *ledger.DB
	Orgs  *identity.Organisations
	Now   func() time.Time
	Log   *slog.Logger
	Steps []Step
	Rules []Rule
}

// Care keeps deletions going.
type Care struct {
	d    Deps
	kick chan struct{}
}

// New makes it; Run works.
func New(d Deps) *Care { return &Care{d: d, kick: make(chan struct{}, 1)} }

// Deletion is an organisation that leaves, and what was deleted of it.
type Deletion struct {
	Org    ident.ID         `json:"org"`
	Parent ident.ID         `json:"parent"`
	Slug   string           `json:"slug"`
	Name   string           `json:"name"`
	Tenant uint32           `json:"-"`
	Basis  string           `json:"basis"`
	By     string           `json:"by"`
	Asked  time.Time        `json:"asked"`
	Done   time.Time        `json:"done,omitzero"`
	Counts map[string]int64 `json:"counts"` // by step; a step that is missing was not made yet
}

const maxBasis = 1000 // bytes

// Delete begins the deletion of an organisation: from now on it cannot be taken
// back. Asking again answers how far it is.
func (c *Care) Delete(ctx context.Context, s access.Scope, id ident.ID, basis string) (Deletion, error) {
	const op = "care.delete"
	d := Deletion{Org: id, Basis: basis, By: s.Actor(), Asked: c.d.Now().UTC(), Counts: map[string]int64{}}
	if basis == "" || len(basis) > maxBasis {
		return d, fault.New(fault.Invalid, op, "say on what basis the organisation is deleted (a contract that ended, a decision with its number), in at most %d bytes", maxBasis)
	}
	tree, err := c.d.Orgs.Tree(ctx)
	if err != nil {
		return d, err
	}
	o, ok := tree.Get(id)
	switch {
	case !ok || !s.Allows(id):
		return d, fault.New(fault.NotFound, op, "there is no such organisation here")
	case o.Parent != "" && !s.Allows(o.Parent):
		return d, fault.New(fault.Denied, op, "an organisation is deleted by an administrator of the one above it")
	case o.Parent == "":
		return d, fault.New(fault.Invalid, op, "the centre cannot be deleted: without it there is no platform")
	case len(tree.Subtree(id)) > 1:
		return d, fault.New(fault.Conflict, op, "organisations stand below %s: delete or move them first", o.Slug)
	}
	d.Parent, d.Slug, d.Name, d.Tenant = o.Parent, o.Slug, o.Name, o.Tenant
	err = c.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		there, err := scan(tx.QueryRow(ctx, selected+` WHERE org = ?`, id).Scan)
		if err == nil {
			d = there
			return nil
		}
		if !ledger.NoRows(err) {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO organisation_deletion (org, parent, slug, tenant, name, basis, asked_by, asked_at, done_at, counts) VALUES (?,?,?,?,?,?,?,?,0,?)`,
			d.Org, d.Parent, d.Slug, d.Tenant, d.Name, d.Basis, d.By, ledger.Micros(d.Asked), ledger.JSON(d.Counts)); err != nil {
			return err
		}
		return tx.Record(ctx, "organisation", id, id, "leaving", d)
	})
	if err != nil {
		return d, fault.Wrap(op, err)
	}
	select {
	case c.kick <- struct{}{}:
	default:
	}
	return d, nil
}

const selected = `SELECT org, parent, slug, tenant, name, basis, asked_by, asked_at, done_at, counts FROM organisation_deletion`

func scan(into func(...any) error) (Deletion, error) {
	var d Deletion
	var asked, done int64
	var counts string
	if err := into(&d.Org, &d.Parent, &d.Slug, &d.Tenant, &d.Name, &d.Basis, &d.By, &asked, &done, &counts); err != nil {
		return d, err
	}
	d.Asked, d.Done = ledger.Time(asked), ledger.Time(done)
	return d, json.Unmarshal([]byte(counts), &d.Counts)
}

// Deletions lists what was deleted and what is being deleted, the newest first,
// to those who may delete at the organisation above.
func (c *Care) Deletions(ctx context.Context, s access.Scope) ([]Deletion, error) {
	in, args := ledger.In(s.Orgs())
	return c.query(ctx, ` WHERE parent IN `+in+` OR org IN `+in+` ORDER BY asked_at DESC`, append(args, args...)...)
}

func (c *Care) query(ctx context.Context, where string, args ...any) (list []Deletion, err error) {
	err = c.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, selected+where, args...)
		return ledger.Each(rows, err, func(s func(...any) error) error {
			d, err := scan(s)
			list = append(list, d)
			return err
		})
	})
	return list, fault.Wrap("care.deletions", err)
}

// Times of the work.
const (
	lookAgain = 10 * time.Second // another hub may have been asked, or a step has failed
	daily     = 24 * time.Hour
	sweepFor  = 7 * daily
)

// Run works until ctx ends. One hub at a time runs it.
func (c *Care) Run(ctx context.Context) error {
	look, day := time.NewTicker(lookAgain), time.NewTicker(daily)
	defer look.Stop()
	defer day.Stop()
	c.try(ctx, c.Retain)
	for {
		c.try(ctx, c.Continue)
		select {
		case <-ctx.Done():
			return nil
		case <-c.kick:
		case <-look.C:
		case <-day.C:
			c.try(ctx, c.Retain)
		}
	}
}

func (c *Care) try(ctx context.Context, fn func(context.Context) error) {
	if err := fn(ctx); err != nil && ctx.Err() == nil {
		c.d.Log.Error("care goes on later", "role", "hub", "err", err)
	}
}

// Continue goes on with every deletion that is not finished.
func (c *Care) Continue(ctx context.Context) error {
	list, err := c.query(ctx, ` WHERE done_at = 0 ORDER BY asked_at`)
	errs := []error{err}
	for _, d := range list {
		errs = append(errs, c.proceed(ctx, d))
	}
	return errors.Join(errs...)
}

// proceed makes the steps that are missing, each written down when it is made.
func (c *Care) proceed(ctx context.Context, d Deletion) error {
	for _, s := range c.d.Steps {
		if _, made := d.Counts[s.Name]; made {
			continue
		}
		n, err := s.Run(ctx, d)
		if err != nil {
			return fault.As(fault.KindOf(err), "care.step", err, "the %s of %s cannot be deleted yet: %s", s.Name, d.Slug, fault.PublicOf(err))
		}
		d.Counts[s.Name] = n
		if err := c.d.DB.Write(ctx, d.By, func(tx *ledger.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE organisation_deletion SET counts = ? WHERE org = ?`, ledger.JSON(d.Counts), d.Org)
			return err
		}); err != nil {
			return fault.Wrap("care.step", err)
		}
	}
	d.Done = c.d.Now().UTC()
	err := c.d.Orgs.Remove(ctx, d.By, d.Org, d, func(tx *ledger.Tx) error {
		return ledger.Changed(tx.Exec(ctx, `UPDATE organisation_deletion SET done_at = ? WHERE org = ?`, ledger.Micros(d.Done), d.Org))
	})
	if err == nil {
		c.d.Log.Info("an organisation was deleted", "role", "hub", "org", d.Org, "organisation", d.Slug, "by", d.By, "basis", d.Basis, "counts", d.Counts)
	}
	return err
}

// Retain drops what organisations with a time of their own keep no longer, and
// sweeps up after organisations that left lately.
func (c *Care) Retain(ctx context.Context) error {
	tree, err := c.d.Orgs.Tree(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, o := range tree.All() {
		if o.RetentionDays <= 0 {
			continue
		}
		before := c.d.Now().UTC().AddDate(0, 0, -o.RetentionDays)
		for _, r := range c.d.Rules {
			n, err := r.Run(ctx, o, before)
			if err != nil {
				errs = append(errs, fault.As(fault.KindOf(err), "care.retain", err, "the %s of %s cannot be dropped yet: %s", r.Name, o.Slug, fault.PublicOf(err)))
			} else if n > 0 {
				c.d.Log.Info("old records were dropped", "role", "hub", "org", o.ID, "what", r.Name, "count", n, "before", before)
			}
		}
	}
	return errors.Join(append(errs, c.sweep(ctx))...)
}

func (c *Care) sweep(ctx context.Context) error {
	list, err := c.query(ctx, ` WHERE done_at > ?`, ledger.Micros(c.d.Now().Add(-sweepFor)))
	errs := []error{err}
	for _, d := range list {
		for _, s := range c.d.Steps {
			_, err := s.Run(ctx, d)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
