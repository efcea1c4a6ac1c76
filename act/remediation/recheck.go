package remediation

import (
	"context"
	"slices"

	"noroshi/access"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ledger"
)

// Recheck lists live actions of a source that are to be looked at again: those
// that are claimed to be mended, then those that nobody looked at for longest.
func (r *Remediation) Recheck(ctx context.Context, s access.Scope, source action.Source, limit int) (list []action.Action, err error) {
	in, orgs := ledger.In(s.Orgs())
	err = r.d.DB.Read(ctx, func(q ledger.Queryer) error {
		list = nil
		for _, realm := range realms(0) {
			for _, st := range []action.State{action.Claimed, action.Open, action.Excepted} {
				rows, err := readRows(ctx, q, `source = ? AND tab = ? AND org || '' IN `+in+` ORDER BY last_looked LIMIT `+itoa(ledger.PageSize(limit)),
					append([]any{string(source), tabOf(st, realm)}, orgs...)...)
				if err != nil {
					return err
				}
				for _, a := range rows {
					list = append(list, a.Action)
				}
			}
		}
		return nil
	})
	sortRecheck(list)
	return list[:min(len(list), ledger.PageSize(limit))], fault.Wrap("remediation.recheck", err)
}

// sortRecheck puts what is claimed first, then what was not looked at for longest.
func sortRecheck(list []action.Action) {
	rank := func(a action.Action) int { return ledger.Bit(a.State != action.Claimed) }
	slices.SortStableFunc(list, func(a, b action.Action) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return a.LastLooked.Compare(b.LastLooked)
	})
}
