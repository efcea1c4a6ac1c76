package identity

import (
	"context"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// Lives of links and sessions. A session that is used lives on, to the end of
// MaxSessionLife.
const (
	LinkLife       = 15 * time.Minute
	SessionLife    = 12 * time.Hour
	MaxSessionLife = 7 * 24 * time.Hour
)

// lateness is how much of a session's life passes before its use is written
// down: a page that asks every second must not write every second.
const lateness = 15 * time.Minute

// NewLink makes the secret of a sign-in link for a person. It works once.
func (p *People) NewLink(ctx context.Context, person ident.ID) (string, error) {
	const op = "identity.link"
	secret, hash, err := newSecret()
	if err != nil {
		return "", err
	}
	err = p.d.DB.Write(ctx, "hub:link", func(tx *ledger.Tx) error {
		if _, err := readPerson(ctx, tx, person); err != nil {
			return err
		}
		now := p.d.Now()
		if _, err := tx.Exec(ctx, `DELETE FROM sign_in_link WHERE expires_at < ?`, ledger.Micros(now)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO sign_in_link (hash, person, expires_at, used_at) VALUES (?,?,?,0)`,
			hash, person, ledger.Micros(now.Add(LinkLife))); err != nil {
			return err
		}
		return tx.Record(ctx, "person", person, "", "link made", nil)
	})
	if err != nil {
		return "", fault.Wrap(op, err)
	}
	return secret, nil
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
		err := ledger.Changed(tx.Exec(ctx, `UPDATE sign_in_link SET used_at = ? WHERE hash = ? AND used_at = 0 AND expires_at > ?`,
			ledger.Micros(now), hashOf(link), ledger.Micros(now)))
		if fault.KindOf(err) == fault.Conflict {
			return fault.New(fault.Unauthenticated, op, "the link is unknown, was used before, or has expired; 'noroshi hub link' prints a new one")
		}
		if err != nil {
			return err
		}
		var person ident.ID
		if err := tx.QueryRow(ctx, `SELECT person FROM sign_in_link WHERE hash = ?`, hashOf(link)).Scan(&person); err != nil {
			return err
		}
		if who, err = readPerson(ctx, tx, person); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM session WHERE expires_at < ?`, ledger.Micros(now)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO session (hash, person, made_at, expires_at) VALUES (?,?,?,?)`,
			hash, person, ledger.Micros(now), ledger.Micros(now.Add(SessionLife))); err != nil {
			return err
		}
		return tx.Record(ctx, "person", who.ID, "", "signed in", nil)
	})
	if err != nil {
		return "", access.Principal{}, fault.Wrap(op, err)
	}
	return secret, who, nil
}

// Session returns who a session's secret belongs to, and lets the session live
// on from now.
func (p *People) Session(ctx context.Context, secret string) (access.Principal, error) {
	const op = "identity.session"
	var who access.Principal
	var made, expires time.Time
	hash, now := hashOf(secret), p.d.Now()
	err := p.d.DB.Read(ctx, func(q ledger.Queryer) error {
		var person ident.ID
		var madeAt, expiresAt int64
		err := q.QueryRow(ctx, `SELECT person, made_at, expires_at FROM session WHERE hash = ? AND expires_at > ?`,
			hash, ledger.Micros(now)).Scan(&person, &madeAt, &expiresAt)
		if ledger.NoRows(err) {
			return fault.New(fault.Unauthenticated, op, "the session has ended; sign in again")
		}
		if err != nil {
			return err
		}
		made, expires = ledger.Time(madeAt), ledger.Time(expiresAt)
		who, err = readPerson(ctx, q, person)
		return err
	})
	if err != nil {
		return access.Principal{}, fault.Wrap(op, err)
	}
	until := now.Add(SessionLife)
	if last := made.Add(MaxSessionLife); until.After(last) {
		until = last
	}
	if until.Sub(expires) < lateness {
		return who, nil
	}
	err = p.d.DB.Write(ctx, "hub:session", func(tx *ledger.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE session SET expires_at = ? WHERE hash = ? AND expires_at < ?`, ledger.Micros(until), hash, ledger.Micros(until))
		return err
	})
	return who, fault.Wrap(op, err)
}

// SignOut ends a session. An unknown one is no error.
func (p *People) SignOut(ctx context.Context, secret string) error {
	err := p.d.DB.Write(ctx, "hub:sign-out", func(tx *ledger.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM session WHERE hash = ?`, hashOf(secret))
		return err
	})
	return fault.Wrap("identity.sign_out", err)
}
