package identity

import (
	"context"
	"encoding/json"
	"regexp"
	"sync/atomic"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/org"
)

// Orgs keeps the organisations and hands out the tree.
type Orgs struct {
	d    Deps
	tree atomic.Pointer[org.Tree]
}

// OpenOrgs reads the organisations.
func OpenOrgs(ctx context.Context, d Deps) (*Orgs, error) {
	o := &Orgs{d: d}
	return o, o.reload(ctx)
}

// Tree is the organisations as they are now. A change makes a new tree.
func (o *Orgs) Tree() *org.Tree { return o.tree.Load() }

// BySlug finds an organisation by its short name.
func (o *Orgs) BySlug(slug string) (org.Organisation, error) {
	for _, x := range o.Tree().All() {
		if x.Slug == slug {
			return x, nil
		}
	}
	return org.Organisation{}, fault.New(fault.NotFound, "identity.org", "there is no organisation %q here", slug)
}

var slugForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Put makes an organisation, or changes the one with the same slug. The tenant
// number grows and is never used again.
func (o *Orgs) Put(ctx context.Context, actor string, x org.Organisation) (org.Organisation, error) {
	const op = "identity.put_org"
	if !slugForm.MatchString(x.Slug) {
		return x, fault.New(fault.Invalid, op, "%q is not a short name: letters a-z, digits and hyphens, at most 63", x.Slug)
	}
	err := o.d.DB.Write(ctx, actor, func(tx *ledger.Tx) error {
		var id string
		var tenant int64
		err := tx.QueryRow(ctx, `SELECT id, tenant FROM organisation WHERE slug = ?`, x.Slug).Scan(&id, &tenant)
		if ledger.NoRows(err) {
			x.ID = o.d.Ident.New(ident.Org)
			if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(tenant), 0) + 1 FROM organisation`).Scan(&tenant); err != nil {
				return err
			}
		} else if err != nil {
			return err
		} else {
			x.ID = ident.ID(id)
		}
		x.Tenant = uint32(tenant)
		_, err = tx.Exec(ctx, `INSERT INTO organisation (id, parent, slug, tenant, body) VALUES (?,?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET parent = excluded.parent, body = excluded.body`,
			string(x.ID), string(x.Parent), x.Slug, tenant, ledger.JSON(x))
		if err != nil {
			return err
		}
		return tx.Record(ctx, "organisation", x.ID, x.ID, "put", x)
	})
	if err != nil {
		return x, fault.Wrap(op, err)
	}
	return x, o.reload(ctx)
}

func (o *Orgs) reload(ctx context.Context) error {
	var list []org.Organisation
	err := o.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, `SELECT tenant, body FROM organisation`)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var tenant int64
			var body string
			if err := scan(&tenant, &body); err != nil {
				return err
			}
			var x org.Organisation
			if err := json.Unmarshal([]byte(body), &x); err != nil {
				return err
			}
			x.Tenant = uint32(tenant)
			list = append(list, x)
			return nil
		})
	})
	if err != nil {
		return fault.Wrap("identity.orgs", err)
	}
	o.tree.Store(org.NewTree(list))
	return nil
}
