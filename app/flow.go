package app

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"noroshi/access"
	"noroshi/analyse/ingest"
	"noroshi/analyse/pdns"
	"noroshi/bus"
	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/ledger/quarantine"
	"noroshi/sense/intake"
)

// flow starts what moves.
func (h *hub) flow(ctx context.Context) error {
	if h.own != nil {
		var err error
		if h.ingest, err = h.path(ctx, bus.ReaderHub, 0, h.own, nil); err != nil {
			return err
		}
		h.paths.begin(h.ingest)
	}
	h.receiver = h.line.NewReceiver(bus.ReceiverConfig{Quota: bus.DefaultQuota, Closed: h.brake.Closed, Log: h.log})
	if h.cfg.Hub.Several() {
		h.run.background("follow", h.follow)
		h.run.background("systems", h.systems.Follow)
	}
	h.run.background("advisories", func(ctx context.Context) error { return h.systems.Drop(ctx, h.dir("advisories")) })
	h.run.background("disk", h.brake.Run)
	h.run.background("quarantine", h.aside.run)
	h.run.background("acknowledgements", h.push.Acknowledge)
	h.share()
	h.run.background("receiver", h.receiver.Run) // Last, so that it stops first.
	return nil
}

// path makes one path of observations, from where its reader was done. The
// reader judges unless it feeds one of several stores.
func (h *hub) path(ctx context.Context, reader string, partition int, store eventstore.Store, mine func() bool) (*ingest.Ingest, error) {
	r, err := h.line.Read(ctx, reader, partition)
	if err != nil {
		return nil, err
	}
	d := ingest.Deps{Reader: r, Check: h.check, Tenant: h.tenant, Store: store, Mine: mine, Log: h.log}
	if reader == bus.ReaderHub || reader == bus.ReaderJudge {
		names, err := pdns.Gather(ctx, h.db, h.line.Epoch()+"."+strconv.Itoa(partition))
		if err != nil {
			r.Stop()
			return nil, err
		}
		d.Quarantine = h.quarantineBatch // What a store alone refuses was judged, and is in its log.
		d.Judging = &ingest.Judging{Judge: h.findings.Judge, Pass: h.pass, Observe: names.Observe, Cut: names.Cut, Commit: names.Commit, Full: names.Full, Mark: names.Mark()}
	}
	return ingest.New(d), nil
}

// pass hands a finding to those who decide.
func (h *hub) pass(ctx context.Context, f finding.Finding) error {
	return h.line.PublishStage(ctx, "finding", string(f.ID)+"."+strconv.Itoa(len(f.Observables))+"."+strconv.FormatInt(f.Count, 10), f)
}

// forget drops, once a day, passive DNS that is older than the events are kept,
// and what feeds need not remember.
func (h *hub) forget(ctx context.Context) error {
	tick := time.NewTicker(24 * time.Hour)
	defer tick.Stop()
	for {
		before := time.Now().AddDate(0, 0, -h.cfg.Hub.RetentionDays)
		if n, err := h.pdns.Forget(ctx, before); err != nil && ctx.Err() == nil {
			h.log.Error("old passive DNS cannot be dropped", "role", "hub", "err", err)
		} else if n > 0 {
			h.log.Info("old passive DNS dropped", "role", "hub", "entries", n)
		}
		if err := h.push.Forget(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("what feeds need not remember cannot be dropped", "role", "hub", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (h *hub) tenant(o ident.ID) (uint32, bool) {
	x, ok := h.orgs.Current().Get(o)
	return x.Tenant, ok
}

func (h *hub) check(from bus.Node, frame []byte) ([]*event.Event, []ingest.Refused) {
	good, bad := intake.Check(from, frame, time.Now())
	out := make([]ingest.Refused, len(bad))
	for i, b := range bad {
		out[i] = ingest.Refused{From: from, Place: b.Place, Reason: b.Reason, Sample: b.Sample}
	}
	return good, out
}

func (h *hub) quarantineBatch(ctx context.Context, list []ingest.Refused) error {
	entries := make([]quarantine.Quarantined, len(list))
	for i, r := range list {
		h.seen.refusedAt(r.Place)
		entries[i] = quarantine.Quarantined{Org: r.From.Org, Node: r.From.ID, Place: r.Place, Reason: r.Reason, Sample: string(r.Sample)}
	}
	return h.quarantine.Put(ctx, entries)
}

// decideAck is how long a decided finding may wait to be acknowledged. Deciding
// twice decides the same, so an acknowledgement need not cost a disk each.
const decideAck = 3 * time.Second

// decide shows each finding to the policies.
func (h *hub) decide(ctx context.Context, found *bus.Pull) error {
	defer found.Stop()
	var done uint64 // decided on, and not done with on the bus
	for {
		soon, cancel := context.WithTimeout(ctx, decideAck)
		m, err := found.Next(soon)
		cancel()
		if (err != nil || done > 0 && m.Seq > done+100) && done > 0 {
			if aerr := found.Done(context.WithoutCancel(ctx), done); aerr != nil {
				h.log.Warn("findings are decided on again after a restart", "role", "hub", "err", aerr)
			}
			done = 0
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, context.DeadlineExceeded):
			continue
		case err != nil:
			return fault.Wrap("app.decide", err)
		}
		var f finding.Finding
		if err := json.Unmarshal(m.Data, &f); err != nil {
			h.log.Error("a finding cannot be read", "role", "hub", "err", err)
		} else if err := h.consider(ctx, f); err != nil && ctx.Err() == nil {
			h.log.Error("a finding cannot be decided on; it stays open for a person", "role", "hub", "org", f.Org, "finding", f.ID, "err", err)
		}
		done = m.Seq
	}
}

func (h *hub) consider(ctx context.Context, f finding.Finding) error {
	s := access.Hub(h.orgs.Current(), "policy")
	made, err := h.intel.Consider(ctx, s, f)
	for _, ind := range made {
		if ind.State != indicator.Active {
			continue
		}
		_, serr := h.findings.SetState(ctx, s, f.ID, f.Version, finding.Escalated, "policy: "+ind.Policy, ind.ID)
		if fault.KindOf(serr) == fault.Conflict {
			serr = nil // A person was faster, and stays right.
		}
		return errors.Join(err, serr)
	}
	return err
}
