package logsql

import (
	"context"
	"slices"
	"strings"
	"time"

	"noroshi/fault"
)

// maxKnown is how many identifiers are asked for in one query.
const maxKnown = 1000

// Known tells which events of a tenant are stored already. It waits for no
// reader: the ingest asks.
func (s *Reader) Known(ctx context.Context, tenant uint32, uids []string, from, to time.Time) (map[string]bool, error) {
	have := map[string]bool{}
	for part := range slices.Chunk(uids, maxKnown) {
		list := make([]string, len(part))
		for i, u := range part {
			list[i] = quote(u)
		}
		now := time.Now()
		p, err := parse(`* | uniq by ("metadata.uid")`, now)
		if err != nil {
			return nil, fault.Wrap("logsql.known", err)
		}
		p.AddTimeFilter(from.UnixNano(), to.UnixNano())
		rows, err := s.run(ctx, Question{Tenants: []uint32{tenant}, Query: p, Also: `"metadata.uid":in(` + strings.Join(list, ",") + `)`, At: now, Limit: len(part), Fresh: true})
		if err != nil {
			return nil, fault.Wrap("logsql.known", err)
		}
		for _, r := range rows {
			have[r.Fields["metadata.uid"]] = true
		}
	}
	return have, nil
}
