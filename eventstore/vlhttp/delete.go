package vlhttp

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/eventstore/logsql"
	"noroshi/fault"
)

// pollEvery is how often a deletion that is under way is looked at. The server
// begins one task a second.
const pollEvery = 200 * time.Millisecond

// task is a deletion that the server has not finished.
type task struct {
	ID      string                `json:"task_id"`
	Tenants []logstorage.TenantID `json:"tenant_ids"`
	Filter  string                `json:"filter"`
}

// DeleteTenant asks the server to delete, which it allows with -delete.enable (a
// cluster with -internaldelete.enable too), and waits until it has. The server
// deletes nothing that lies ahead of its clock; such events keep it waiting.
func (s *Store) DeleteTenant(ctx context.Context, tenant uint32, before time.Time) error {
	const op = "vlhttp.delete"
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	filter, err := deletion(tenant, before)
	if err != nil {
		return fault.Wrap(op, err)
	}
	for {
		if err := s.deleteOnce(ctx, filter); err != nil {
			return fault.Wrap(op, err)
		}
		rows, err := s.ask(ctx, query{text: filter + " | limit 1", at: time.Now(), limit: 1})
		if err != nil {
			return fault.Wrap(op, err)
		}
		if len(rows) == 0 {
			return nil
		}
		if now := time.Now(); rows[0].Time.After(now) {
			return fault.New(fault.Unavailable, op, "events that lie ahead of the clock are left, until %s at least; ask again then", rows[0].Time.UTC().Format(time.RFC3339))
		}
	}
}

// deletion is the filter of what goes, as the server writes it in its list of
// tasks.
func deletion(tenant uint32, before time.Time) (string, error) {
	days, err := logsql.Before(before)
	if err != nil {
		return "", err
	}
	f, err := logstorage.ParseFilter(scope([]uint32{tenant}) + " " + days.String())
	if err != nil {
		return "", fault.Wrap("vlhttp.deletion", err)
	}
	return f.String(), nil
}

// deleteOnce runs one task, or waits for the one that an earlier call has begun.
func (s *Store) deleteOnce(ctx context.Context, filter string) error {
	const op = "vlhttp.delete"
	if err := s.force(ctx); err != nil { // What a cluster's front still holds would come after.
		return err
	}
	begun, err := s.deleting(ctx, filter)
	if err != nil {
		return err
	}
	if !begun {
		b, err := s.call(ctx, op, request{url: s.cfg.Select + "/delete/run_task", form: url.Values{"filter": {filter}}}, maxWords)
		if err != nil {
			return err
		}
		var t task
		if err := json.Unmarshal(b, &t); err != nil || t.ID == "" {
			return fault.New(fault.Unavailable, op, "the event store's answer cannot be read")
		}
	}
	for {
		select {
		case <-ctx.Done():
			return fault.As(fault.Unavailable, op, ctx.Err(), "the events are being deleted; ask again")
		case <-time.After(pollEvery):
		}
		if begun, err = s.deleting(ctx, filter); err != nil || !begun {
			return err
		}
	}
}

// deleting tells whether a deletion by this filter is under way in our tenant.
func (s *Store) deleting(ctx context.Context, filter string) (bool, error) {
	const op = "vlhttp.delete"
	b, err := s.call(ctx, op, request{url: s.cfg.Select + "/delete/active_tasks", again: true}, maxMetrics)
	if err != nil {
		return false, err
	}
	var tasks []task
	if err := json.Unmarshal(b, &tasks); err != nil {
		return false, fault.As(fault.Unavailable, op, err, "the event store's answer cannot be read")
	}
	ours := logstorage.TenantID{AccountID: s.cfg.Account, ProjectID: s.cfg.Project}
	return slices.ContainsFunc(tasks, func(t task) bool { return t.Filter == filter && slices.Contains(t.Tenants, ours) }), nil
}
