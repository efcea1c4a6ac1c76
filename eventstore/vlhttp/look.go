package vlhttp

import (
	"bufio"
	"bytes"
	"context"
	"net/url"
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

// metrics are the figures of a server that say how it is.
type metrics struct {
	stores   bool // it stores rows itself
	readOnly bool
	inMemory uint64 // rows that a crash would take
	bytes    uint64
}

// metrics reads the server's figures. A cluster's front has none of these.
func (s *Store) metrics(ctx context.Context) (metrics, error) {
	const op = "vlhttp.metrics"
	form, err := withKey(s.cfg.MetricsKey, url.Values{})
	if err != nil {
		return metrics{}, err
	}
	b, err := s.call(ctx, op, request{url: s.cfg.Insert + "/metrics", form: form}, maxMetrics)
	if err != nil {
		return metrics{}, err
	}
	return readMetrics(b), nil
}

func readMetrics(b []byte) metrics {
	var m metrics
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		kind, _, _ := strings.Cut(name, "{")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil || n < 0 {
			continue
		}
		switch {
		case name == `vl_storage_rows{type="storage/inmemory"}`:
			m.stores, m.inMemory = true, m.inMemory+uint64(n)
		case name == `vl_pending_rows{type="storage"}`:
			m.inMemory += uint64(n)
		case kind == "vl_storage_is_read_only":
			m.readOnly = n > 0
		case kind == "vl_data_size_bytes":
			m.bytes += uint64(n)
		}
	}
	return m
}
