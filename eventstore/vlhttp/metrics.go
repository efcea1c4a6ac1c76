package vlhttp

import (
	"bufio"
	"bytes"
	"context"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/flagutil"

	"noroshi/eventstore/logsql"
	"noroshi/fault"
)

// metrics are the figures of a server that say how it is, and how it was started.
type metrics struct {
	stores   bool // it stores rows itself
	readOnly bool
	inMemory uint64 // rows that a crash would take
	bytes    uint64

	retention, backfill, future time.Duration // 0 is not told, or no bound
	maxFields                   int
}

// maxFields is how many a server takes unless told otherwise.
const maxFields = 1000

// metrics reads the server's figures. A cluster's front has few of these.
func (s *Store) metrics(ctx context.Context) (metrics, error) {
	const op = "vlhttp.metrics"
	form, err := withKey(s.cfg.MetricsKey, url.Values{})
	if err != nil {
		return metrics{}, err
	}
	b, err := s.call(ctx, op, request{url: s.cfg.Insert + "/metrics", form: form, again: true}, maxMetrics)
	if err != nil {
		return metrics{}, err
	}
	return readMetrics(b), nil
}

var flagLine = regexp.MustCompile(`^flag\{name="([^"]*)", ?value="([^"]*)"`)

func readMetrics(b []byte) metrics {
	m := metrics{maxFields: maxFields}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		if f := flagLine.FindStringSubmatch(lines.Text()); f != nil {
			m.flag(f[1], f[2])
			continue
		}
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

// flag takes down how the server was started. What cannot be read is not told.
func (m *metrics) flag(name, value string) {
	var d flagutil.RetentionDuration
	switch name {
	case "retentionPeriod", "maxBackfillAge", "futureRetention":
		if d.Set(value) != nil {
			return
		}
	case "insert.maxFieldsPerLine":
		if n, err := strconv.Atoi(value); err == nil && n > 0 {
			m.maxFields = n
		}
	}
	switch name {
	case "retentionPeriod":
		m.retention = d.Duration()
	case "maxBackfillAge":
		m.backfill = d.Duration()
	case "futureRetention":
		m.future = d.Duration()
	}
}

// fit looks once whether the server would drop silently what is sent, and learns
// how many fields a row may have. Of a cluster only its storage nodes know: what
// they drop a Sync finds missing.
func (s *Store) fit(ctx context.Context) (fields int, err error) {
	const op = "vlhttp.fit"
	if s.cfg.Hold > 0 {
		return maxFields, nil
	}
	if n := s.fields.Load(); n > 0 {
		return int(n), nil
	}
	m, err := s.metrics(ctx)
	if err != nil {
		return 0, err
	}
	for _, bound := range []struct {
		flag      string
		has, want time.Duration
	}{{"retentionPeriod", m.retention, s.cfg.Retention}, {"maxBackfillAge", m.backfill, s.cfg.Retention}, {"futureRetention", m.future, logsql.Ahead}} {
		if bound.has > 0 && bound.has < bound.want {
			return 0, fault.New(fault.Unavailable, op, "the event store would drop events that are to be kept: start it with -%s of %d hours or more", bound.flag, int(bound.want.Hours()))
		}
	}
	s.fields.Store(int64(m.maxFields))
	return m.maxFields, nil
}
