package exposure

import (
	"cmp"
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// The states of a request not to be scanned.
const (
	Asked   = "asked"
	Granted = "granted"
	Refused = "refused"
)

// OptOut is what somebody asked who holds an address.
type OptOut struct {
	ID      ident.ID     `json:"id"`
	Org     ident.ID     `json:"org"` // who answers
	State   string       `json:"state"`
	Prefix  netip.Prefix `json:"prefix"`
	Contact string       `json:"contact"`
	Reason  string       `json:"reason"`
	From    string       `json:"from"` // the address that the request came from
	Asked   time.Time    `json:"asked"`
	Decided time.Time    `json:"decided,omitzero"`
	By      string       `json:"by,omitempty"`
	Why     string       `json:"why,omitempty"`
	Version int64        `json:"version"`
}

// The bounds of what everybody may write down here.
const (
	maxOpen    = 1000 // requests that wait for an answer
	maxContact = 200
)

// Ask takes a request of somebody whom nobody knows. It changes nothing until an
// operator has granted it.
func (st *Store) Ask(ctx context.Context, prefix, contact, reason, from string) (OptOut, error) {
	const op = "exposure.ask"
	p, err := parsePrefix(prefix)
	contact, reason = strings.TrimSpace(contact), strings.TrimSpace(reason)
	switch {
	case err != nil:
		return OptOut{}, err
	case contact == "" || len(contact) > maxContact:
		return OptOut{}, fault.New(fault.Invalid, op, "say how to reach you, in at most %d bytes", maxContact)
	case len(reason) > maxWhy:
		return OptOut{}, fault.New(fault.TooLarge, op, "the reason is longer than %d bytes", maxWhy)
	}
	now := st.now()
	owner, _ := st.declared(p.Addr())
	o := OptOut{ID: st.d.Ident.New(ident.OptOut), Org: cmp.Or(owner, st.root()), State: Asked, Prefix: p, Contact: contact, Reason: reason, From: from, Asked: now, Version: 1}
	err = st.d.DB.Write(ctx, "public", func(tx *ledger.Tx) error {
		var open int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM scan_optout WHERE state = 'asked'`).Scan(&open); err != nil {
			return err
		}
		if open >= maxOpen {
			return fault.New(fault.Exhausted, op, "too many requests wait for an answer; write to the contact instead")
		}
		if _, err := tx.Exec(ctx, `INSERT INTO scan_optout (id, org, state, asked, decided, version, body) VALUES (?,?,?,?,0,1,?)`,
			o.ID, o.Org, o.State, ledger.Micros(now), ledger.JSON(o)); err != nil {
			return err
		}
		return tx.Record(ctx, "optout", o.ID, o.Org, "asked", o)
	})
	return o, st.told(op, o.ID, o.Org, err)
}

func parsePrefix(text string) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return p, fault.New(fault.Invalid, "exposure.ask", "this is no address or range; write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64")
	}
	return p.Masked(), nil
}

// Answer grants a request, which excludes the addresses from every scope at
// once, or refuses it.
func (st *Store) Answer(ctx context.Context, s access.Scope, id ident.ID, version int64, grant bool, why string) (o OptOut, err error) {
	const op = "exposure.answer"
	if !grant && strings.TrimSpace(why) == "" || len(why) > maxWhy {
		return o, fault.New(fault.Invalid, op, "say why, in at most %d bytes", maxWhy)
	}
	err = st.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		if o, err = scanOptOut(tx.QueryRow(ctx, `SELECT body FROM scan_optout WHERE id = ?`, id).Scan); err != nil && !ledger.NoRows(err) {
			return err
		}
		switch {
		case err != nil || !s.Allows(o.Org):
			o = OptOut{}
			return fault.New(fault.NotFound, op, "there is no such request here")
		case o.State != Asked || version != 0 && version != o.Version:
			return fault.New(fault.Conflict, op, "the request is %s now; read it again", o.State)
		}
		o.State = Refused
		if grant {
			o.State = Granted
		}
		o.Decided, o.By, o.Why = st.now(), s.Actor(), why
		o.Version++
		if err := ledger.Changed(tx.Exec(ctx, `UPDATE scan_optout SET state = ?, decided = ?, version = ?, body = ? WHERE id = ? AND version = ?`,
			o.State, ledger.Micros(o.Decided), o.Version, ledger.JSON(o), o.ID, o.Version-1)); err != nil {
			return err
		}
		return tx.Record(ctx, "optout", o.ID, o.Org, o.State, o)
	})
	return o, st.told(op, o.ID, o.Org, err)
}

func scanOptOut(into func(...any) error) (o OptOut, err error) {
	var body string
	if err := into(&body); err != nil {
		return o, err
	}
	return o, json.Unmarshal([]byte(body), &o)
}

// OptOuts lists requests, the newest first.
func (st *Store) OptOuts(ctx context.Context, s access.Scope, f Filter) (Page[OptOut], error) {
	c := choose(s, f, "asked", ident.OptOut)
	ledger.AnyOf(&c.Where, "state", f.States)
	p, err := pageOf(ctx, st.d.DB, c, `SELECT body FROM scan_optout`, scanOptOut, func(o OptOut) (time.Time, ident.ID) { return o.Asked, o.ID })
	return p, fault.Wrap("exposure.optouts", err)
}
