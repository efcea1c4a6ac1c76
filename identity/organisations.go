package identity

import (
	"context"
	"encoding/json"
	"regexp"
	"sync"
	"sync/atomic"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/org"
)

// What this stage changes takes its number here.
const (
	organisationsEdition ledger.Edition = "organisations.edition"
	nodesEdition         ledger.Edition = "nodes.edition"
)

// Organisations keeps the organisations and hands out the tree.
type Organisations struct {
	d       Deps
	mu      sync.Mutex // one reload at a time, so that an older tree never follows a newer one
	current atomic.Pointer[edition]
}

// edition is the tree as of a number that grows with every change of any hub.
type edition struct {
	number int64
	tree   *org.Tree
}

// OpenOrganisations reads the organisations.
func OpenOrganisations(ctx context.Context, d Deps) (*Organisations, error) {
	o := &Organisations{d: d}
	_, err := o.reload(ctx)
	return o, err
}

// Tree is the organisations as they are now, whichever hub changed them last.
// As long as nothing changes it is the same tree.
func (o *Organisations) Tree(ctx context.Context) (*org.Tree, error) {
	have := o.current.Load()
	var number int64
	err := o.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		number, err = organisationsEdition.Read(ctx, q)
		return err
	})
	if err != nil {
		return nil, fault.Wrap("identity.tree", err)
	}
	if number == have.number {
		return have.tree, nil
	}
	return o.reload(ctx)
}

// Refresh takes over what other hubs changed. It asks for one number, and reads
// the organisations only when that is another than before.
func (o *Organisations) Refresh(ctx context.Context) error {
	_, err := o.Tree(ctx)
	return err
}

// Current is the tree as this hub last read it, for those who cannot wait: when
// another hub made the change, as of the last Refresh.
func (o *Organisations) Current() *org.Tree { return o.current.Load().tree }

func (o *Organisations) reload(ctx context.Context) (*org.Tree, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var e edition
	err := o.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		if e.number, err = organisationsEdition.Read(ctx, q); err != nil {
			return err
		}
		var list []org.Organisation
		rows, err := q.Query(ctx, `SELECT id, parent, slug, tenant, body FROM organisation`)
		err = ledger.Each(rows, err, func(scan func(...any) error) error {
			x, err := scanOrg(scan)
			list = append(list, x)
			return err
		})
		e.tree = org.NewTree(list)
		return err
	})
	if err != nil {
		return nil, fault.Wrap("identity.tree", err)
	}
	o.current.Store(&e)
	return e.tree, nil
}

func scanOrg(scan func(...any) error) (org.Organisation, error) {
	var x, at org.Organisation
	var body string
	if err := scan(&at.ID, &at.Parent, &at.Slug, &at.Tenant, &body); err != nil {
		return x, err
	}
	err := json.Unmarshal([]byte(body), &x)
	x.ID, x.Parent, x.Slug, x.Tenant = at.ID, at.Parent, at.Slug, at.Tenant
	return x, err
}

// BySlug finds an organisation by its short name.
func (o *Organisations) BySlug(ctx context.Context, slug string) (org.Organisation, error) {
	tree, err := o.Tree(ctx)
	if err != nil {
		return org.Organisation{}, err
	}
	for _, x := range tree.All() {
		if x.Slug == slug {
			return x, nil
		}
	}
	return org.Organisation{}, fault.New(fault.NotFound, "identity.org", "there is no organisation %q here", slug)
}

var slugForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Put makes an organisation, or changes the one with the same slug. Its
// identifier and its tenant number are the ledger's: the number grows from 1
// and is never used again. Putting what is already there changes nothing.
func (o *Organisations) Put(ctx context.Context, actor string, x org.Organisation) (org.Organisation, error) {
	const op = "identity.put_org"
	if !slugForm.MatchString(x.Slug) {
		return x, fault.New(fault.Invalid, op, "%q is not a short name: letters a-z, digits and hyphens, at most 63", x.Slug)
	}
	if x.Name == "" {
		return x, fault.New(fault.Invalid, op, "the organisation %s lacks a name", x.Slug)
	}
	err := o.d.DB.Write(ctx, actor, func(tx *ledger.Tx) error {
		old, err := scanOrg(tx.QueryRow(ctx, `SELECT id, parent, slug, tenant, body FROM organisation WHERE slug = ?`, x.Slug).Scan)
		switch {
		case ledger.NoRows(err):
			x.ID = o.d.Ident.New(ident.Org)
			var gone int
			if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM organisation_gone WHERE slug = ?`, x.Slug).Scan(&gone); err != nil {
				return err
			}
			if gone > 0 {
				return fault.New(fault.Conflict, op, "an organisation %s was deleted here; one that comes back takes another short name", x.Slug)
			}
			if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(t), 0) + 1 FROM (SELECT tenant AS t FROM organisation UNION ALL SELECT tenant FROM organisation_gone) AS used`).Scan(&x.Tenant); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			x.ID, x.Tenant = old.ID, old.Tenant
			if ledger.JSON(x) == ledger.JSON(old) {
				return nil
			}
		}
		if err := checkParent(ctx, tx, x); err != nil {
			return err
		}
		return write(ctx, tx, x)
	})
	if err != nil {
		return x, fault.Wrap(op, err)
	}
	_, err = o.Tree(ctx)
	return x, err
}

func write(ctx context.Context, tx *ledger.Tx, x org.Organisation) error {
	if _, err := tx.Exec(ctx, `INSERT INTO organisation (id, parent, slug, tenant, body) VALUES (?,?,?,?,?)
		ON CONFLICT (id) DO UPDATE SET parent = excluded.parent, body = excluded.body`,
		x.ID, x.Parent, x.Slug, x.Tenant, ledger.JSON(x)); err != nil {
		return err
	}
	if _, err := organisationsEdition.Next(ctx, tx); err != nil {
		return err
	}
	return tx.Record(ctx, "organisation", x.ID, x.ID, "put", x)
}

// checkParent walks up from x: every parent must be there, and none may be x.
func checkParent(ctx context.Context, tx *ledger.Tx, x org.Organisation) error {
	const op = "identity.put_org"
	for p := x.Parent; p != ""; {
		if p == x.ID {
			return fault.New(fault.Invalid, op, "the organisation %s would stand below itself", x.Slug)
		}
		var above ident.ID
		err := tx.QueryRow(ctx, `SELECT parent FROM organisation WHERE id = ?`, p).Scan(&above)
		if ledger.NoRows(err) {
			return fault.New(fault.Invalid, op, "the parent of %s, %s, is not there", x.Slug, p)
		}
		if err != nil {
			return err
		}
		p = above
	}
	return nil
}
