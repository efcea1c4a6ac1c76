package vlhttp

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"github.com/klauspost/compress/zstd"

	"noroshi/eventstore"
	"noroshi/eventstore/logsql"
	"noroshi/fault"
)

// protocol is the version of the rows' form on the wire.
const protocol = "v1"

// maxBody is after how many bytes of rows a request is sent; the server takes 64
// MiB (-nativeinsert.maxRequestSize).
const maxBody = 8 << 20

// maxUnsure is how many events may wait for a Sync, in about 60 MB.
const maxUnsure = 1 << 20

var streamFields = append([]string{orgField}, logsql.StreamFields...)

// Append sends rows, in the server's own form, which costs it least. They are
// taken when it says so; after an error Known tells.
func (s *Store) Append(ctx context.Context, rows []eventstore.Row) error {
	const op = "vlhttp.append"
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if len(rows) == 0 {
		return nil
	}
	s.write.RLock() // What is appended now belongs to the next Sync.
	defer s.write.RUnlock()
	if s.waiting() > maxUnsure {
		return fault.New(fault.Exhausted, op, "more than %d events wait to become durable in the event store", maxUnsure)
	}
	fields, err := s.fit(ctx)
	if err != nil {
		return fault.Wrap(op, err)
	}
	lr := logstorage.GetLogRows(streamFields, nil, nil, nil, "")
	defer logstorage.PutLogRows(lr)
	var out outgoing
	var took []eventstore.Row
	flush := func() {
		lr.ForEachRow(func(_ uint64, r *logstorage.InsertRow) { out.raw = r.Marshal(out.raw) })
		lr.ResetKeepSettings()
		if len(out.raw) >= maxBody && err == nil {
			err = s.insert(ctx, &out)
		}
	}
	refused := logsql.Filler{
		Rows: lr, Retention: s.cfg.Retention, MaxFields: fields,
		Place: func(r eventstore.Row, fields []logstorage.Field) (logstorage.TenantID, []logstorage.Field) {
			return logstorage.TenantID{}, append(fields, logstorage.Field{Name: orgField, Value: number(r.Tenant)})
		},
		Taken: func(r eventstore.Row) {
			took = append(took, r)
			if lr.NeedFlush() {
				flush()
			}
		},
	}.Fill(rows)
	flush()
	if err == nil && len(out.raw) > 0 {
		err = s.insert(ctx, &out)
	}
	if err != nil {
		return fault.Wrap(op, err)
	}
	s.remember(took)
	if len(refused) > 0 {
		return refused
	}
	return nil
}

// outgoing is what is sent next.
type outgoing struct{ raw, packed []byte }

var encoders = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic("vlhttp: zstd options: " + err.Error()) // The options are constants.
	}
	return e
}}

func (s *Store) insert(ctx context.Context, out *outgoing) error {
	e := encoders.Get().(*zstd.Encoder)
	out.packed = e.EncodeAll(out.raw, out.packed[:0])
	encoders.Put(e)
	out.raw = out.raw[:0]
	_, err := s.call(ctx, "vlhttp.insert", request{
		url: s.cfg.Insert + "/insert/native?version=" + protocol, body: bytes.NewReader(out.packed),
		headers: map[string]string{"Content-Encoding": "zstd", "Content-Type": "application/octet-stream"},
	}, maxWords)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = err != nil && fault.KindOf(err) == fault.Exhausted
	if err != nil && !s.full {
		s.unknown.Add(1)
	}
	return err
}

// stored is what some rows of one organisation are known by.
type stored struct {
	tenant   uint32
	uids     []string
	from, to int64 // milliseconds
}

func (st *stored) add(uid string, ms int64) {
	if len(st.uids) == 0 {
		st.from, st.to = ms, ms
	}
	st.uids = append(st.uids, uid)
	st.from, st.to = min(st.from, ms), max(st.to, ms)
}

// remember keeps what a crash may take.
func (s *Store) remember(rows []eventstore.Row) {
	var all []stored
	at := map[uint32]int{}
	for _, r := range rows {
		i, ok := at[r.Tenant]
		if !ok {
			i = len(all)
			at[r.Tenant] = i
			all = append(all, stored{tenant: r.Tenant})
		}
		all[i].add(r.Event.Metadata.UID, r.Event.Time)
	}
	s.keep(all)
}

func (s *Store) keep(all []stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range all {
		s.events += len(st.uids)
		for part := range slices.Chunk(st.uids, perQuestion) {
			s.unsure = append(s.unsure, stored{tenant: st.tenant, uids: part, from: st.from, to: st.to})
		}
	}
}

func (s *Store) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events
}

// take hands out all that is unsure.
func (s *Store) take() []stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.unsure
	s.unsure, s.events = nil, 0
	return all
}

// Known tells which events are stored. These are unsure too: whoever asks will
// not append them again.
func (s *Store) Known(ctx context.Context, tenant uint32, uids []string, from, to time.Time) (map[string]bool, error) {
	if err := s.arrived(ctx); err != nil {
		return nil, fault.Wrap("vlhttp.known", err)
	}
	have, err := s.Reader.Known(ctx, tenant, uids, from, to)
	if err != nil || len(have) == 0 {
		return have, err
	}
	st := stored{tenant: tenant, from: from.UnixMilli(), to: to.UnixMilli()}
	for uid := range have {
		st.uids = append(st.uids, uid)
	}
	s.keep([]stored{st})
	return have, nil
}

// moment is how long a server that answers again may take for what it had
// received before; a cluster's front tries its nodes anew every second.
const moment = 2 * time.Second

// arrived waits, after an append of which nobody knows the end, or a loss, until the server
// answers, and a moment longer: by then it has taken what it had received of that
// append, or never will.
func (s *Store) arrived(ctx context.Context) error {
	seen := s.unknown.Load()
	if seen == s.settled.Load() {
		return nil
	}
	if err := s.force(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return away(ctx, "vlhttp.arrived", ctx.Err())
	case <-time.After(moment):
	}
	if err := s.force(ctx); err != nil { // What came in that moment is to be seen.
		return err
	}
	s.settled.Store(seen)
	return nil
}
