package attribute

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"noroshi/access"
	"noroshi/discovery"
	"noroshi/fault"
	"noroshi/ledger"
	"noroshi/observable"
)

// leading are the kinds of evidence that say by which own name people come to an
// address, the best first.
var leading = []discovery.Kind{discovery.AddressOf, discovery.AliasAddress, discovery.PTR, discovery.PassiveAddress}

// Names are the names by which each address of a scope's organisations is known,
// as far as walks have seen it lately, those first that lead to it by DNS. What a
// person rejected counts for nothing.
func (a *Attribution) Names(ctx context.Context, s access.Scope) (names map[netip.Addr][]string, err error) {
	since := a.d.Now().Add(-counts)
	in, args := ledger.In(s.Orgs())
	err = a.d.DB.Read(ctx, func(q ledger.Queryer) error {
		names = map[netip.Addr][]string{}
		rows, err := q.Query(ctx, selectRow+` WHERE kind IN (?, ?) AND state <> ? AND org IN `+in+` ORDER BY d.id`, append([]any{string(observable.IPv4), string(observable.IPv6), string(Rejected)}, args...)...)
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			r, err := scanRow(scan)
			if err != nil {
				return err
			}
			at, err := netip.ParseAddr(r.Asset.Value)
			if err != nil {
				return err
			}
			rank := func(e discovery.Evidence) int { return slices.Index(leading, e.Kind) }
			slices.SortStableFunc(r.Facts, func(x, y discovery.Evidence) int { return cmp.Compare(rank(x), rank(y)) })
			for _, e := range r.Facts {
				if rank(e) >= 0 && e.At.After(since) && isName(e.Via) && !slices.Contains(names[at], e.Via) {
					names[at] = append(names[at], e.Via)
				}
			}
			return nil
		})
	})
	return names, fault.Wrap("attribute.names", err)
}

func isName(s string) bool {
	o, err := observable.ParseKind(observable.Domain, s)
	return err == nil && o.Value == s
}
