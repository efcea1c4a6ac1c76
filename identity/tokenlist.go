package identity

import (
	"context"
	"errors"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// TokenState is what a token is still good for.
type TokenState string

// The states.
const (
	TokenWaiting TokenState = "waiting"
	TokenUsed    TokenState = "used"
	TokenExpired TokenState = "expired"
	TokenRevoked TokenState = "revoked"
)

// EnrolToken is what the ledger knows of a token; the secret is not in it.
type EnrolToken struct {
	ID       ident.ID   `json:"id"`
	Org      ident.ID   `json:"org"`
	Role     string     `json:"role"`
	State    TokenState `json:"state"`
	MadeBy   string     `json:"made_by"`
	Made     time.Time  `json:"made_at,omitzero"`
	Expires  time.Time  `json:"expires_at"`
	Used     time.Time  `json:"used_at,omitzero"`
	UsedBy   ident.ID   `json:"used_by,omitempty"` // the node that joined
	UsedPeer string     `json:"used_peer,omitempty"`
	Revoked  time.Time  `json:"revoked_at,omitzero"`
	// Who came with the secret when it was no longer good: either the node's own
	// operator twice, or two that have one secret, which is one too many.
	Refusals    int       `json:"refusals,omitempty"`
	Refused     time.Time `json:"refused_at,omitzero"`
	RefusedPeer string    `json:"refused_peer,omitempty"`
}

const tokenColumns = `SELECT hash, org, role, made_by, made_at, expires_at, used_at, used_by, used_peer, revoked_at, refusals, refused_at, refused_peer FROM enrol_token`

// ofToken finds a token by its name.
const ofToken = ` WHERE 'tok_' || SUBSTR(hash, 1, 32) = ?`

func scanToken(scan func(...any) error, now time.Time) (EnrolToken, error) {
	var x EnrolToken
	var hash string
	var made, expires, used, revoked, refused int64
	if err := scan(&hash, &x.Org, &x.Role, &x.MadeBy, &made, &expires, &used, &x.UsedBy, &x.UsedPeer, &revoked, &x.Refusals, &refused, &x.RefusedPeer); err != nil {
		return x, err
	}
	x.ID, x.Made, x.Expires, x.Used = tokenID(hash), ledger.Time(made), ledger.Time(expires), ledger.Time(used)
	x.Revoked, x.Refused = ledger.Time(revoked), ledger.Time(refused)
	switch {
	case used > 0:
		x.State = TokenUsed
	case revoked > 0:
		x.State = TokenRevoked
	case !now.Before(x.Expires):
		x.State = TokenExpired
	default:
		x.State = TokenWaiting
	}
	return x, nil
}

// errSpent marks the refusal of a token that is known, but no longer good.
var errSpent = errors.New("the token is spent")

// usable refuses a token that is not good any more. Only whoever has the secret
// is told more than that.
func (n *Nodes) usable(ctx context.Context, q ledger.Queryer, hash string) error {
	const op = "identity.redeem"
	x, err := scanToken(q.QueryRow(ctx, tokenColumns+` WHERE hash = ?`, hash).Scan, n.d.Now())
	switch {
	case ledger.NoRows(err):
		return fault.New(fault.Denied, op, "the token is unknown; was it copied whole, and is this the platform that made it?")
	case err != nil:
		return err
	case x.State == TokenUsed:
		return fault.As(fault.Denied, op, errSpent, "the token %s was used before: on %s it made the node %s; if that was not you, have that node cut off and ask for a new token",
			x.ID, x.Used.Format(time.DateTime), x.UsedBy)
	case x.State == TokenRevoked:
		return fault.As(fault.Denied, op, errSpent, "the token %s was revoked; ask for a new one", x.ID)
	case x.State == TokenExpired:
		return fault.As(fault.Denied, op, errSpent, "the token %s has expired on %s; ask for a new one", x.ID, x.Expires.Format(time.DateTime))
	}
	return nil
}

// maxRefusals bounds what somebody who has a spent token can write into the ledger.
const maxRefusals = 10

// tokenRefused keeps on record that somebody came with a spent token, for the
// operator: a secret that is shown twice has been in two hands. It returns err.
func (n *Nodes) tokenRefused(ctx context.Context, hash, peer string, err error) error {
	if fault.KindOf(err) != fault.Denied {
		return err
	}
	n.refused.count(RefusedToken)
	if !errors.Is(err, errSpent) {
		return err
	}
	rerr := n.d.DB.Write(ctx, "hub:enrolment", func(tx *ledger.Tx) error {
		now := n.d.Now()
		x, err := scanToken(tx.QueryRow(ctx, tokenColumns+` WHERE hash = ?`, hash).Scan, now)
		if err != nil || x.Refusals >= maxRefusals {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE enrol_token SET refusals = refusals + 1, refused_at = ?, refused_peer = ? WHERE hash = ?`,
			ledger.Micros(now), peer, hash); err != nil {
			return err
		}
		return tx.Record(ctx, "enrol_token", x.ID, x.Org, "refused", map[string]any{"peer": peer, "state": x.State})
	})
	return errors.Join(err, rerr)
}

// Tokens lists the newest tokens of the organisations in scope, at most limit.
func (n *Nodes) Tokens(ctx context.Context, s access.Scope, limit int) (list []EnrolToken, err error) {
	in, args := ledger.In(s.Orgs())
	err = n.d.DB.Read(ctx, func(q ledger.Queryer) error {
		rows, err := q.Query(ctx, tokenColumns+` WHERE org IN `+in+` ORDER BY made_at DESC, hash LIMIT ?`, append(args, limit)...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			x, err := scanToken(scan, n.d.Now())
			list = append(list, x)
			return err
		})
	})
	return list, fault.Wrap("identity.tokens", err)
}

// RevokeToken ends a token that waits to be used. One outside the scope is as
// unknown as one that never was.
func (n *Nodes) RevokeToken(ctx context.Context, s access.Scope, id ident.ID) error {
	const op = "identity.revoke_token"
	err := n.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		x, err := scanToken(tx.QueryRow(ctx, tokenColumns+ofToken, string(id)).Scan, n.d.Now())
		if ledger.NoRows(err) || err == nil && !s.Allows(x.Org) {
			return fault.New(fault.NotFound, op, "there is no such token here")
		}
		if err != nil {
			return err
		}
		if x.State != TokenWaiting {
			return fault.New(fault.Conflict, op, "the token waits no longer: it is %s", x.State)
		}
		if _, err := tx.Exec(ctx, `UPDATE enrol_token SET revoked_at = ?`+ofToken, ledger.Micros(n.d.Now()), string(id)); err != nil {
			return err
		}
		return tx.Record(ctx, "enrol_token", id, x.Org, "revoked", x)
	})
	return fault.Wrap(op, err)
}
