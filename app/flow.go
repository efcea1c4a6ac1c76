package app

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"noroshi/access"
	"noroshi/analyse/ingest"
	"noroshi/bus"
	"noroshi/event"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/ledger/quarantine"
	"noroshi/sense/intake"
)

// flow starts what moves.
func (h *hub) flow(ctx context.Context) error {
	found, err := h.line.Stage(ctx, "finding")
	if err != nil {
		return err
	}
	pull, err := h.line.Observations(ctx)
	if err != nil {
		return err
	}
	mark, err := h.pdns.Mark(ctx)
	if err != nil {
		return err
	}
	h.ingest = ingest.New(ingest.Deps{Pull: pull, Check: h.check, Quarantine: h.quarantineBatch, Tenant: h.tenant, Store: h.events, Judge: h.findings.Judge,
		Observe: h.pdns.Observe, Commit: h.pdns.Commit, Full: h.pdns.Full, Mark: mark, Log: h.log,
		Pass: func(ctx context.Context, f finding.Finding) error {
			return h.line.PublishStage(ctx, "finding", string(f.ID)+"."+strconv.Itoa(len(f.Observables))+"."+strconv.FormatInt(f.Count, 10), f)
		}})
	h.run.background("disk", h.brake.Run)
	h.run.background("forget", h.forget)
	h.run.background("push", h.push.Run)
	h.run.background("expiry", h.intel.Run)
	h.run.background("look back", h.lookBack)
	h.run.background("decide", func(ctx context.Context) error { return h.decide(ctx, found) })
	h.run.background("ingest", h.ingest.Run)
	return nil
}

// forget drops, once a day, passive DNS that is older than the events are kept.
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

// putAside quarantines what came beside the stream of events.
func (h *hub) putAside(ctx context.Context, list []quarantine.Quarantined) {
	h.log.Warn("input was put into quarantine", "role", "hub", "org", list[0].Org, "node", list[0].Node, "place", list[0].Place, "why", list[0].Reason)
	for _, x := range list {
		h.seen.refusedAt(x.Place)
	}
	if err := h.quarantine.Put(ctx, list); err != nil {
		h.log.Error("the quarantine cannot be written", "role", "hub", "err", err)
	}
}

// decideAck is how long a decided finding may wait to be acknowledged. Deciding
// twice decides the same, so an acknowledgement need not cost a disk each.
const decideAck = time.Second

// decide shows each finding to the policies.
func (h *hub) decide(ctx context.Context, found *bus.Pull) error {
	defer found.Stop()
	var done *bus.Message
	for {
		soon, cancel := context.WithTimeout(ctx, decideAck)
		m, err := found.Next(soon)
		cancel()
		if (err != nil || done != nil && m.Seq > done.Seq+100) && done != nil {
			if aerr := done.Ack(context.WithoutCancel(ctx)); aerr != nil {
				h.log.Warn("findings are decided on again after a restart", "role", "hub", "err", aerr)
			}
			done = nil
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
		done = m
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

// lookBack hunts for each new indicator in everything that is stored.
func (h *hub) lookBack(ctx context.Context) error {
	for {
		var ind indicator.Indicator
		select {
		case <-ctx.Done():
			return nil
		case ind = <-h.hunts:
		}
		if err := h.hunt(ctx, ind); err != nil && ctx.Err() == nil {
			h.log.Error("the look back failed", "role", "hub", "org", ind.Org, "indicator", ind.ID, "err", err)
		}
	}
}

func (h *hub) hunt(ctx context.Context, ind indicator.Indicator) error {
	if err := h.ingest.Settled(ctx); err != nil {
		return err
	}
	seen, err := h.hunter.Hunt(ctx, access.Hub(h.orgs.Current(), "hunt"), ind)
	if err != nil {
		return err
	}
	n, err := h.findings.AddSightings(ctx, ind, seen)
	if err != nil {
		return err
	}
	return h.intel.AddSightings(ctx, ind.ID, n)
}
