package identity

import (
	"context"
	"encoding/json"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Lives of links and sessions.
const (
	LinkLife    = 15 * time.Minute
	SessionLife = 12 * time.Hour
)

// People keeps the people, their sign-in links and their sessions.
type People struct{ d Deps }

// NewPeople makes the store.
func NewPeople(d Deps) *People { return &People{d} }

// Administrator returns the person of that name with the administrator's role
// at the root, made when missing: whoever starts the platform on the machine.
func (p *People) Administrator(ctx context.Context, root ident.ID) (access.Principal, error) {
	const name = "Administrator"
	who := access.Principal{Name: name, Roles: map[ident.ID][]string{root: {access.Administrator}}}
	err := p.d.DB.Write(ctx, "hub:start", func(tx *ledger.Tx) error {
		err := tx.QueryRow(ctx, `SELECT id FROM person WHERE name = ?`, name).Scan(&who.ID)
		if err == nil || !ledger.NoRows(err) {
			return err
		}
		who.ID = p.d.Ident.New(ident.Person)
		if _, err := tx.Exec(ctx, `INSERT INTO person (id, name, roles) VALUES (?,?,?)`, string(who.ID), name, ledger.JSON(who.Roles)); err != nil {
			return err
		}
		return tx.Record(ctx, "person", who.ID, root, "made", who)
	})
	return who, fault.Wrap("identity.administrator", err)
}

// NewLink makes the secret of a sign-in link for a person. It works once.
func (p *People) NewLink(ctx context.Context, person ident.ID) (string, error) {
	secret, hash, err := newSecret()
	if err != nil {
		return "", err
	}
	err = p.d.DB.Write(ctx, "hub:link", func(tx *ledger.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO sign_in_link (hash, person, expires_at, used_at) VALUES (?,?,?,0)`,
			hash, string(person), ledger.Micros(p.d.Now().Add(LinkLife))); err != nil {
			return err
		}
		return tx.Record(ctx, "person", person, "", "link made", nil)
	})
	return secret, fault.Wrap("identity.link", err)
}

// SignIn turns a link's secret into a session's.
func (p *People) SignIn(ctx context.Context, link string) (string, access.Principal, error) {
	const op = "identity.sign_in"
	secret, hash, err := newSecret()
	if err != nil {
		return "", access.Principal{}, err
	}
	var who access.Principal
	err = p.d.DB.Write(ctx, "hub:sign-in", func(tx *ledger.Tx) error {
		now := p.d.Now()
		res, err := tx.Exec(ctx, `UPDATE sign_in_link SET used_at = ? WHERE hash = ? AND used_at = 0 AND expires_at > ?`, ledger.Micros(now), hashOf(link), ledger.Micros(now))
		if err := ledger.Changed(res, err); err != nil {
			return fault.New(fault.Unauthenticated, op, "the link is unknown, was used before, or has expired; 'noroshi hub link' prints a new one")
		}
		var person string
		if err := tx.QueryRow(ctx, `SELECT person FROM sign_in_link WHERE hash = ?`, hashOf(link)).Scan(&person); err != nil {
			return err
		}
		if who, err = readPerson(ctx, tx, person); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM session WHERE expires_at < ?`, ledger.Micros(now)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO session (hash, person, made_at, expires_at) VALUES (?,?,?,?)`, hash, person, ledger.Micros(now), ledger.Micros(now.Add(SessionLife))); err != nil {
			return err
		}
		return tx.Record(ctx, "person", who.ID, "", "signed in", nil)
	})
	return secret, who, fault.Wrap(op, err)
}

func readPerson(ctx context.Context, q ledger.Queryer, id string) (access.Principal, error) {
	who := access.Principal{ID: ident.ID(id)}
	var roles string
	if err := q.QueryRow(ctx, `SELECT name, roles FROM person WHERE id = ?`, id).Scan(&who.Name, &roles); err != nil {
		return who, err
	}
	return who, json.Unmarshal([]byte(roles), &who.Roles)
}

// Session returns who a session's secret belongs to.
func (p *People) Session(ctx context.Context, secret string) (access.Principal, error) {
	var who access.Principal
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		var person string
		err := q.QueryRow(ctx, `SELECT person FROM session WHERE hash = ? AND expires_at > ?`, hashOf(secret), ledger.Micros(p.d.Now())).Scan(&person)
		if ledger.NoRows(err) {
			return fault.New(fault.Unauthenticated, "identity.session", "the session has ended; sign in again")
		}
		if err == nil {
			who, err = readPerson(ctx, q, person)
		}
		return err
	})
	return who, fault.Wrap("identity.session", err)
}

// SignOut ends a session. An unknown one is no error.
func (p *People) SignOut(ctx context.Context, secret string) error {
	err := p.d.DB.Write(ctx, "hub:sign-out", func(tx *ledger.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM session WHERE hash = ?`, hashOf(secret))
		return err
	})
	return fault.Wrap("identity.sign_out", err)
}
