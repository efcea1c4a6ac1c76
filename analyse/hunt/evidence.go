package hunt

import (
	"context"
	"slices"
	"strconv"

	"noroshi/eventstore"
)

// Bounds of one query for whole events. What others name their events may be
// written four times as long in a query.
const (
	maxList   = eventstore.MaxQuery - 100
	maxEvents = 100
)

// evidence fetches the first events of each sighting whole, those that lie
// together in one question.
func (l *look) evidence(ctx context.Context) error {
	slices.SortStableFunc(l.first, func(x, y shown) int { return x.at.Compare(y.at) })
	for len(l.first) > 0 {
		list, n := identifiers(l.first)
		part := l.first[:n]
		l.first = l.first[n:]
		rows, err := l.store.Search(ctx, l.scope, eventstore.Query{LogsQL: `"metadata.uid":in(` + list + `) | limit ` + strconv.Itoa(eventstore.MaxLimit),
			From: part[0].at, To: part[n-1].at.Add(1)})
		if err != nil {
			return err
		}
		whole := map[string]eventstore.Record{}
		for _, r := range rows {
			whole[r.Fields["metadata.uid"]] = r
		}
		for _, x := range part {
			if r, ok := whole[x.uid]; ok {
				s := &x.of.list[x.n]
				s.Evidence = append(s.Evidence, evidenceOf(r, x.matched))
			}
		}
	}
	return nil
}

// identifiers writes the list of as many events as one query takes, at least one.
func identifiers(all []shown) (list string, n int) {
	for n < len(all) && n < maxEvents {
		next := strconv.Quote(all[n].uid)
		if n > 0 && len(list)+1+len(next) > maxList {
			break
		}
		if n > 0 {
			list += ","
		}
		list += next
		n++
	}
	return list, n
}
