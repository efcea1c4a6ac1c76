package identity

import (
	"context"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// What follows is for an organisation that leaves the federation. Package care
// calls it, in this order, and again after a crash: what is done already is done
// again without effect.

// CutAll ends the right of an organisation's nodes to connect, and its tokens.
func (n *Nodes) CutAll(ctx context.Context, actor string, org ident.ID, why string) (int64, error) {
	const op = "identity.cut_all"
	var list []*member
	err := n.d.DB.Write(ctx, actor, func(tx *ledger.Tx) (err error) {
		if list, err = members(ctx, tx, `n.org = ? AND n.state = ?`, org, NodeActive); err != nil {
			return err
		}
		for _, m := range list {
			if err := n.cut(ctx, tx, m, why); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `DELETE FROM enrol_token WHERE org = ?`, org)
		return err
	})
	if err != nil {
		return 0, fault.Wrap(op, err)
	}
	n.learn(list...)
	return int64(len(list)), nil
}

// Withdraw takes the roles that people hold at an organisation. Whoever holds
// none any more is signed out.
func (p *People) Withdraw(ctx context.Context, actor string, org ident.ID) (n int64, err error) {
	err = p.d.DB.Write(ctx, actor, func(tx *ledger.Tx) error {
		n = 0
		var all []ident.ID
		rows, err := tx.Query(ctx, `SELECT id FROM person`)
		if err := ledger.Each(rows, err, func(scan func(...any) error) error {
			var id ident.ID
			err := scan(&id)
			all = append(all, id)
			return err
		}); err != nil {
			return err
		}
		for _, id := range all {
			who, err := readPerson(ctx, tx, id)
			if err != nil {
				return err
			}
			if _, held := who.Roles[org]; !held {
				continue
			}
			n++
			delete(who.Roles, org)
			if _, err := tx.Exec(ctx, `UPDATE person SET roles = ? WHERE id = ?`, ledger.JSON(who.Roles), id); err != nil {
				return err
			}
			if err := tx.Record(ctx, "person", id, org, "rights withdrawn", map[string]any{"roles": who.Roles}); err != nil {
				return err
			}
			if len(who.Roles) > 0 {
				continue
			}
			for _, q := range []string{`DELETE FROM session WHERE person = ?`, `DELETE FROM sign_in_link WHERE person = ?`} {
				if _, err := tx.Exec(ctx, q, id); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return n, fault.Wrap("identity.withdraw", err)
}

// Remove removes an organisation with its nodes, when nothing else of it is
// left. The state is what the history says of it; also runs in the same
// transaction.
func (o *Organisations) Remove(ctx context.Context, actor string, org ident.ID, state any, also func(tx *ledger.Tx) error) error {
	const op = "identity.remove_org"
	err := o.d.DB.Write(ctx, actor, func(tx *ledger.Tx) error {
		x, err := scanOrg(tx.QueryRow(ctx, `SELECT id, parent, slug, tenant, body FROM organisation WHERE id = ?`, org).Scan)
		if err == nil {
			err = forget(ctx, tx, x.ID, x.Slug, x.Tenant)
		}
		if err != nil && !ledger.NoRows(err) {
			return err
		}
		if err := tx.Record(ctx, "organisation", org, org, "deleted", state); err != nil {
			return err
		}
		return also(tx)
	})
	if err != nil {
		return fault.Wrap(op, err)
	}
	_, err = o.Tree(ctx)
	return err
}

func forget(ctx context.Context, tx *ledger.Tx, org ident.ID, slug string, tenant uint32) error {
	for _, q := range []string{`DELETE FROM enrol_token WHERE org = ?`, `DELETE FROM node_key WHERE node IN (SELECT id FROM node WHERE org = ?)`, `DELETE FROM node WHERE org = ?`, `DELETE FROM organisation WHERE id = ?`} {
		if _, err := tx.Exec(ctx, q, org); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `INSERT INTO organisation_gone (id, slug, tenant) VALUES (?,?,?)`, org, slug, tenant); err != nil {
		return err
	}
	_, err := organisationsEdition.Next(ctx, tx)
	return err
}

// Gone tells whether an organisation with this short name was here and left.
func (o *Organisations) Gone(ctx context.Context, slug string) (bool, error) {
	var n int
	err := o.d.DB.Read(ctx, func(q ledger.Queryer) error {
		return q.QueryRow(ctx, `SELECT COUNT(*) FROM organisation_gone WHERE slug = ?`, slug).Scan(&n)
	})
	return n > 0, fault.Wrap("identity.gone", err)
}
