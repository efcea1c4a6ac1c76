package vlhttp

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"noroshi/eventstore"
	"noroshi/fault"
)

// event names one.
type event struct {
	tenant uint32
	uid    string
}

// look finds some of the driver's own rows in one question.
func (s *Store) look(ctx context.Context, some []stored) (map[event]bool, error) {
	const op = "vlhttp.look"
	from, to := some[0].from, some[0].to
	var orgs []uint32
	var list []string
	byNumber := map[string]uint32{}
	for _, st := range some {
		from, to = min(from, st.from), max(to, st.to)
		if _, ok := byNumber[number(st.tenant)]; !ok {
			byNumber[number(st.tenant)] = st.tenant
			orgs = append(orgs, st.tenant)
		}
		for _, uid := range st.uids {
			list = append(list, strconv.Quote(uid))
		}
	}
	slices.Sort(orgs)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rows, err := s.ask(ctx, query{
		text: "_time:[" + stamp(time.UnixMilli(from)) + "," + stamp(time.UnixMilli(to)) + `] | uniq by (` + orgField + `, "metadata.uid")`,
		also: `"metadata.uid":in(` + strings.Join(list, ",") + ")", scope: scope(orgs), at: time.Now(), limit: eventstore.MaxLimit,
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	have := make(map[event]bool, len(rows))
	for _, r := range rows {
		have[event{byNumber[r.Fields[orgField]], r.Fields["metadata.uid"]}] = true
	}
	return have, nil
}
