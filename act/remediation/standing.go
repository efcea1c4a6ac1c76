package remediation

import (
	"context"
	"slices"

	"noroshi/access"
	"noroshi/action"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// Standing finds the real actions of organisations by their fingerprints, for a
// source that says where what it saw stands. The key is the organisation and the
// fingerprint: two may have the same.
func (r *Remediation) Standing(ctx context.Context, s access.Scope, orgs []ident.ID, fingerprints []string) (map[string]action.Action, error) {
	out := map[string]action.Action{}
	orgs = slices.DeleteFunc(slices.Clone(orgs), func(o ident.ID) bool { return !s.Allows(o) })
	of, at := ledger.In(orgs)
	at = append(at, label.Real.String())
	err := r.d.DB.Read(ctx, func(q ledger.Queryer) error {
		for part := range slices.Chunk(fingerprints, 500) {
			in, args := ledger.In(part)
			list, err := readRows(ctx, q, `org IN `+of+` AND realm = ? AND fingerprint IN `+in, slices.Concat(at, args)...)
			if err != nil {
				return err
			}
			for _, a := range list {
				out[string(a.Org)+a.Fingerprint] = a.Action
			}
		}
		return nil
	})
	return out, fault.Wrap("remediation.standing", err)
}
