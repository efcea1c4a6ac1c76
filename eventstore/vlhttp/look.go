package vlhttp

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"noroshi/fault"
)

// event names one.
type event struct {
	tenant uint32
	uid    string
}

// look finds some of the driver's own rows. Nearly always they are all there,
// which a number says; only when it does not, they are listed.
func (s *Store) look(ctx context.Context, some []stored) (map[event]bool, error) {
	const op = "vlhttp.look"
	want := map[event]bool{}
	from, to := some[0].from, some[0].to
	byNumber := map[string]uint32{}
	var orgs []uint32
	for _, st := range some {
		from, to = min(from, st.from), max(to, st.to)
		if _, ok := byNumber[number(st.tenant)]; !ok {
			byNumber[number(st.tenant)] = st.tenant
			orgs = append(orgs, st.tenant)
		}
		for _, uid := range st.uids {
			want[event{st.tenant, uid}] = true
		}
	}
	list := make([]string, 0, len(want))
	for e := range want {
		list = append(list, strconv.Quote(e.uid))
	}
	slices.Sort(orgs)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	q := query{
		text:  "_time:[" + stamp(time.UnixMilli(from)) + "," + stamp(time.UnixMilli(to)) + "]",
		also:  `"metadata.uid":in(` + strings.Join(list, ",") + ")",
		scope: fresh(orgs), at: time.Now(), limit: len(want),
	}
	const pair = orgField + `, "metadata.uid"`
	all := q
	all.text += " | stats count_uniq(" + pair + ") n"
	rows, err := s.ask(ctx, all)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if len(rows) == 1 && rows[0].Fields["n"] == strconv.Itoa(len(want)) {
		return want, nil
	}
	q.text += " | uniq by (" + pair + ")"
	if rows, err = s.ask(ctx, q); err != nil {
		return nil, fault.Wrap(op, err)
	}
	have := make(map[event]bool, len(rows))
	for _, r := range rows {
		have[event{byNumber[r.Fields[orgField]], r.Fields["metadata.uid"]}] = true
	}
	return have, nil
}
