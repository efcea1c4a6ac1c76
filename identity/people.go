package identity

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// People keeps the people and what they may do where.
type People struct{ d Deps }

// NewPeople makes the store.
func NewPeople(d Deps) *People { return &People{d} }

// administratorKey is the setting that names the first administrator.
const administratorKey = "people.administrator"

// Administrator returns the platform's first person, who has the
// administrator's role at the root: whoever starts the platform on the machine.
// At the first run they are made.
func (p *People) Administrator(ctx context.Context, root ident.ID) (access.Principal, error) {
	var who access.Principal
	err := p.d.DB.Write(ctx, "hub:start", func(tx *ledger.Tx) error {
		var id ident.ID
		err := tx.QueryRow(ctx, `SELECT value FROM setting WHERE key = ?`, administratorKey).Scan(&id)
		if err == nil {
			who, err = readPerson(ctx, tx, id)
			return err
		}
		if !ledger.NoRows(err) {
			return err
		}
		who = access.Principal{ID: p.d.Ident.New(ident.Person), Name: "administrator", Roles: map[ident.ID][]string{root: {access.Administrator}}}
		if _, err := tx.Exec(ctx, `INSERT INTO setting (key, value) VALUES (?,?)`, administratorKey, who.ID); err != nil {
			return err
		}
		return insertPerson(ctx, tx, who)
	})
	return who, fault.Wrap("identity.administrator", err)
}

// Add makes a person with roles, each at an organisation of the scope, which is
// that of access.ManageOrganisations: only who may do everything there may
// give a role there.
func (p *People) Add(ctx context.Context, s access.Scope, name string, roles map[ident.ID][]string) (access.Principal, error) {
	const op = "identity.add_person"
	who := access.Principal{Name: strings.TrimSpace(name), Roles: roles}
	if who.Name == "" || len(who.Name) > maxName {
		return who, fault.New(fault.Invalid, op, "the person's name is missing or longer than %d bytes", maxName)
	}
	known := []string{access.Viewer, access.Analyst, access.Operator, access.Administrator}
	for at, held := range roles {
		if !s.Allows(at) {
			return who, fault.New(fault.NotFound, op, "there is no organisation %s here", at)
		}
		for _, r := range held {
			if !slices.Contains(known, r) {
				return who, fault.New(fault.Invalid, op, "%q is not a role (%s)", r, strings.Join(known, ", "))
			}
		}
	}
	who.ID = p.d.Ident.New(ident.Person)
	err := p.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error { return insertPerson(ctx, tx, who) })
	return who, fault.Wrap(op, err)
}

func insertPerson(ctx context.Context, tx *ledger.Tx, who access.Principal) error {
	if _, err := tx.Exec(ctx, `INSERT INTO person (id, name, roles) VALUES (?,?,?)`, who.ID, who.Name, ledger.JSON(who.Roles)); err != nil {
		return err
	}
	return tx.Record(ctx, "person", who.ID, "", "made", map[string]any{"name": who.Name, "roles": who.Roles})
}

func readPerson(ctx context.Context, q ledger.Queryer, id ident.ID) (access.Principal, error) {
	who := access.Principal{ID: id}
	var roles string
	err := q.QueryRow(ctx, `SELECT name, roles FROM person WHERE id = ?`, id).Scan(&who.Name, &roles)
	if ledger.NoRows(err) {
		return who, fault.New(fault.NotFound, "identity.person", "there is no such person")
	}
	if err != nil {
		return who, err
	}
	return who, json.Unmarshal([]byte(roles), &who.Roles)
}
