package vlhttp

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"noroshi/eventstore"
	"noroshi/fault"
)

// Flush makes what was appended searchable. A cluster's front passes on what it
// holds, but its storage nodes show it in their own time, so it is looked for.
func (s *Store) Flush(ctx context.Context) error {
	const op = "vlhttp.flush"
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := s.force(ctx); err != nil {
		return fault.Wrap(op, err)
	}
	if s.cfg.Hold == 0 {
		return nil
	}
	s.mu.Lock()
	all := slices.Clone(s.unsure)
	s.mu.Unlock()
	return fault.Wrap(op, s.appear(ctx, all))
}

// force asks the server to show the rows that it holds in memory.
func (s *Store) force(ctx context.Context) error {
	form, err := withKey(s.cfg.FlushKey, url.Values{})
	if err != nil {
		return err
	}
	_, err = s.call(ctx, "vlhttp.force", request{url: s.cfg.Insert + "/internal/force_flush", form: form, again: true}, maxWords)
	return err
}

// showBound is how long a cluster may take to show what it has taken.
const showBound = 10 * time.Second

// appear waits until rows are seen.
func (s *Store) appear(parent context.Context, all []stored) error {
	ctx, cancel := context.WithTimeout(parent, showBound)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		var err error
		if all, err = s.missing(parent, all); err != nil || len(all) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			if parent.Err() != nil {
				return away(parent, "vlhttp.appear", parent.Err())
			}
			return s.gone(all)
		case <-time.After(pause):
		}
	}
}

// Sync makes what was appended durable. A single node is told to write to disk. A
// cluster is given time, after everything was seen in it: see Config.Hold. Then
// everything must still be there, or be there again: a server that crashed in
// between has lost what it had not written.
func (s *Store) Sync(ctx context.Context) error {
	const op = "vlhttp.sync"
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	s.sync.Lock()
	defer s.sync.Unlock()
	all := s.take()
	if len(all) == 0 {
		return nil
	}
	left, err := s.settle(ctx, all)
	s.keep(left)
	return fault.Wrap(op, err)
}

// settle returns what is still unsure when it fails.
func (s *Store) settle(ctx context.Context, all []stored) ([]stored, error) {
	if s.cfg.Hold == 0 {
		if err := s.writeOut(ctx, all); err != nil {
			return all, err
		}
	} else {
		if err := s.force(ctx); err != nil {
			return all, err
		}
		if err := s.appear(ctx, all); err != nil {
			return all, err
		}
		select {
		case <-ctx.Done():
			return all, fault.As(fault.Unavailable, "vlhttp.settle", ctx.Err(), "the events are not on the disk yet")
		case <-time.After(s.cfg.Hold):
		}
	}
	left, err := s.missing(ctx, all)
	if err != nil {
		return all, err
	}
	if len(left) > 0 {
		return left, s.gone(left)
	}
	return nil, nil
}

// gone says what is missing. It may be late instead, in a cluster whose nodes were
// away, so the next Known waits for what is under way.
func (s *Store) gone(left []stored) error {
	s.unknown.Add(1)
	n := 0
	for _, st := range left {
		n += len(st.uids)
	}
	return fault.As(fault.Unavailable, "vlhttp.settle", eventstore.Lost, "%d events that the event store had taken are not in it (it crashed, or drops what it finds too old: its retention must be as long as the hub's)", n)
}

// writeOut tells a single node to write to disk, as the embedded engine does it:
// rows in memory become parts, and a snapshot of a day forces these to disk. A
// part that is being merged is left out, so appends wait while it is asked again
// until it has no row in memory.
func (s *Store) writeOut(ctx context.Context, all []stored) error {
	const op = "vlhttp.settle"
	s.write.Lock()
	defer s.write.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		if err := s.force(ctx); err != nil {
			return err
		}
		for _, day := range days(all) {
			if err := s.snapshot(ctx, day); err != nil {
				return err
			}
		}
		m, err := s.metrics(ctx)
		if err != nil {
			return err
		}
		if !m.stores {
			return fault.New(fault.Invalid, op, "the event store is a cluster, which cannot be told to write to disk; say how long its rows are to be held")
		}
		if m.inMemory == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fault.As(fault.Unavailable, op, ctx.Err(), "the events are not on the disk yet; if others write to the same server too, say how long rows are to be held")
		case <-time.After(pause):
		}
	}
}

// maxDays is how many days are named to the server; for more it takes all.
const maxDays = 40

// days lists those of some rows as the server names them.
func days(all []stored) []string {
	have := map[int64]bool{}
	var list []string
	const day = 24 * 60 * 60 * 1000
	for _, st := range all {
		for d := st.from / day; d <= st.to/day; d++ {
			if have[d] {
				continue
			}
			if len(list) == maxDays {
				return []string{""}
			}
			have[d] = true
			list = append(list, time.UnixMilli(d*day).UTC().Format("20060102"))
		}
	}
	return list
}

func (s *Store) snapshot(ctx context.Context, day string) error {
	const op = "vlhttp.snapshot"
	form, err := withKey(s.cfg.PartitionKey, url.Values{"partition_prefix": {day}})
	if err != nil {
		return err
	}
	b, err := s.call(ctx, op, request{url: s.cfg.Insert + "/internal/partition/snapshot/create", form: form}, maxMetrics)
	if err != nil {
		return err
	}
	var paths []string
	if err := json.Unmarshal(b, &paths); err != nil {
		return fault.As(fault.Unavailable, op, err, "the event store's answer cannot be read")
	}
	for _, path := range paths {
		form.Set("path", path)
		if _, err := s.call(ctx, op, request{url: s.cfg.Insert + "/internal/partition/snapshot/delete", form: form}, maxWords); err != nil {
			s.log.Warn("a snapshot is left until the event store removes it", "path", path, "err", err)
		}
	}
	return nil
}

// perQuestion is how many events are looked for at once: a store spends less on
// a few long lists than on many short ones. A server takes forms of 10 MB.
const perQuestion = 10_000

// missing returns what is not in the store, the way readers would find it.
func (s *Store) missing(ctx context.Context, all []stored) ([]stored, error) {
	var left []stored
	expired := time.Now().Add(time.Minute - s.cfg.Retention).UnixMilli()
	for len(all) > 0 {
		n, events := 0, 0
		for n < len(all) && (n == 0 || events+len(all[n].uids) <= perQuestion) {
			events += len(all[n].uids)
			n++
		}
		have, err := s.look(ctx, all[:n])
		if err != nil {
			return nil, err
		}
		for _, st := range all[:n] {
			rest := stored{tenant: st.tenant, from: st.from, to: st.to}
			for _, uid := range st.uids {
				if !have[event{st.tenant, uid}] {
					rest.uids = append(rest.uids, uid)
				}
			}
			if len(rest.uids) > 0 && st.from > expired {
				left = append(left, rest)
			}
		}
		all = all[n:]
	}
	return left, nil
}
