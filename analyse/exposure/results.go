package exposure

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/service"
)

// Part is some of what a scanner saw. The same part twice is one.
type Part struct {
	Ports []json.RawMessage `json:"ports,omitempty"`  // lines as service.Decode reads them
	Quiet []string          `json:"closed,omitempty"` // "192.0.2.1 tcp/443": answered, and not open
}

// maxParts bounds what one run may leave with the hub before it ends.
const maxParts = 20_000

// Put keeps a part until the run ends.
func (st *Store) Put(ctx context.Context, s access.Scope, id ident.ID, by string, p Part) error {
	const op = "exposure.put"
	for i, line := range p.Ports {
		if _, err := service.Decode(line); err != nil {
			return fault.As(fault.KindOf(err), op, err, "%s", fault.PublicOf(err)).At("port %d", i+1)
		}
	}
	for i, q := range p.Quiet {
		if _, _, err := splitAnswer(q); err != nil {
			return fault.As(fault.Invalid, op, err, "%q is no answer; write 192.0.2.1 tcp/443", q).At("closed %d", i+1)
		}
	}
	body := ledger.JSON(p)
	sum := sha256.Sum256([]byte(body))
	return fault.Wrap(op, st.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		r, _, err := st.held(ctx, tx, s, id, by)
		if err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM scan_part WHERE run = ?`, id).Scan(&n); err != nil {
			return err
		}
		if n >= maxParts {
			return fault.New(fault.Exhausted, op, "the run has handed in %d parts; scan smaller ranges by scopes of their own", n)
		}
		_, err = tx.Exec(ctx, `INSERT INTO scan_part (run, digest, org, body) VALUES (?,?,?,?) ON CONFLICT (run, digest) DO NOTHING`, id, hex.EncodeToString(sum[:]), r.Org, body)
		return err
	}))
}

func splitAnswer(s string) (a netip.Addr, place string, err error) {
	address, place, ok := strings.Cut(s, " ")
	if a, err = netip.ParseAddr(address); err == nil && (!ok || !strings.HasPrefix(place, "tcp/") && !strings.HasPrefix(place, "udp/")) {
		err = fault.New(fault.Invalid, "exposure.answer", "there is no place")
	}
	return a, place, err
}

// Close ends a run, or lets it wait for its next hours. What it saw is taken in,
// and told to those who keep actions. Asking again is safe.
func (st *Store) Close(ctx context.Context, s access.Scope, id ident.ID, by, why string, prints bool, summary json.RawMessage) error {
	const op = "exposure.close"
	var org ident.ID
	err := st.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		r, _, err := st.held(ctx, tx, s, id, by)
		if fault.KindOf(err) == fault.Conflict && r.State != Running {
			return nil // It was closed before, and the answer was lost.
		}
		if err != nil {
			return err
		}
		c, err := st.scopeOf(ctx, tx, s, r.Scope)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
		org, r.Why, r.Prints, r.Summary = r.Org, why, prints, summary
		r.settle(summary)
		if goesOn(why) && c.State == InForce {
			return putRun(ctx, tx, r, "", 0)
		}
		r.State, r.Ended = handedIn, st.now()
		// A proof that did not stand may be published within the hour.
		if again := r.Ended.Add(time.Hour); why == refused && c.State == InForce && again.Before(c.Due) {
			c.Due = again
			if err := save(ctx, tx, &c); err != nil {
				return err
			}
		}
		return putRun(ctx, tx, r, "", 0)
	})
	if err == nil {
		err = st.finish(ctx, s)
	}
	return st.told(op, id, org, err)
}

// refused is the end of a run that the scanner did not begin: the owner's proof
// did not stand, or the scanner could not scan.
const refused = "refused"

// goesOn tells of the ends of a scan after which the run goes on later: the hour
// was over, the scanner was stopped, or the text changed and the scope still
// stands.
func goesOn(why string) bool {
	return why == "out_of_hours" || why == "withdrawn" || why == "unaccounted"
}

// finish takes in what runs have handed in. A run whose survey was not taken yet
// stays, and is taken again.
func (st *Store) finish(ctx context.Context, s access.Scope) error {
	var list []ScanRun
	err := st.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		in, args := ledger.In(s.Orgs())
		list, err = runs(ctx, q, `state = '`+handedIn+`' AND org IN `+in+` ORDER BY began LIMIT 100`, args...)
		return err
	})
	errs := []error{err}
	for _, r := range list {
		errs = append(errs, st.takeIn(ctx, r))
	}
	return errors.Join(errs...)
}

// takeIn brings what one run saw into the records, then to those who keep
// actions, and then forgets its parts.
func (st *Store) takeIn(ctx context.Context, r ScanRun) error {
	c, look, err := st.look(ctx, r)
	if err != nil {
		return err
	}
	if err := st.d.DB.Write(ctx, "hub:exposure", func(tx *ledger.Tx) error { return st.remember(ctx, tx, &r, look) }); err != nil {
		return err
	}
	survey := action.Survey{ID: ident.ID(string(ident.Survey) + strings.TrimPrefix(string(r.ID), string(ident.Scan))), Source: action.BySurface, Org: r.Org, Orgs: st.within(r.Org, c.Terms),
		Realm: look.realm, Began: r.Began, Ended: r.Ended, By: r.By, Basis: c.Terms.LegalBasis, Coverage: look.ordinary(), Weaknesses: look.weak}
	// Under this identifier they may have it already, from before a crash.
	if err := st.d.Actions.Take(ctx, st.hub(), survey); err != nil && fault.KindOf(err) != fault.Conflict {
		return err
	}
	if err := st.tellDevices(ctx, r, c, look); err != nil {
		return err
	}
	r.State, r.Open, r.Weak = Ended, len(look.ports), len(look.weak)
	if r.Why == "done" {
		r.State = Done
	}
	err = st.d.DB.Write(ctx, "hub:exposure", func(tx *ledger.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM scan_part WHERE run = ?`, r.ID); err != nil {
			return err
		}
		return putRun(ctx, tx, r, "", 0)
	})
	if err == nil {
		st.OnChange(r.ID, r.Org)
	}
	return err
}
