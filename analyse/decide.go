package analyse

import (
	"context"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/ledger"
)

const maxReason = 2000

// SetState is a person's or a policy's word on a finding: version is the one
// that was looked at, made the indicator that came of it, if any. The same word
// of the same actor twice is one.
func (a *Analyser) SetState(ctx context.Context, s access.Scope, id ident.ID, version int64, state finding.State, reason string, made ident.ID) (finding.Finding, error) {
	const op = "analyse.set_state"
	switch state {
	case finding.New, finding.Escalated, finding.Closed, finding.Dismissed:
	default:
		return finding.Finding{}, fault.New(fault.Invalid, op, "%q is not a state (new, escalated, closed, dismissed)", clip(string(state), 40))
	}
	if len(reason) > maxReason {
		return finding.Finding{}, fault.New(fault.TooLarge, op, "the reason is longer than %d bytes", maxReason)
	}
	var f finding.Finding
	var changed bool
	err := a.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		changed = false
		if f, err = get(ctx, tx, s, id); err != nil {
			return err
		}
		if f.State == state && f.Reason == reason && f.By == s.Actor() && (made == "" || f.Indicator == made) {
			return nil
		}
		if f.Version != version {
			return fault.New(fault.Conflict, op, "somebody else decided on this finding meanwhile; read it again")
		}
		f.State, f.Reason, f.By = state, reason, s.Actor()
		if made != "" {
			f.Indicator = made
		}
		f.Version++
		changed = true
		if err := update(ctx, tx, &f); err != nil {
			return err
		}
		return tx.Record(ctx, "finding", id, f.Org, string(state), map[string]any{"reason": reason, "indicator": f.Indicator})
	})
	if err != nil {
		return finding.Finding{}, fault.Wrap(op, err)
	}
	if changed {
		a.OnChange(f)
	}
	return f, nil
}
