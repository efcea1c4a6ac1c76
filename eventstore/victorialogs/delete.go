package victorialogs

import (
	"context"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/eventstore/logsql"
	"noroshi/fault"
)

// pollEvery is how often a deletion that is under way is looked at. The engine
// begins one task a second.
const pollEvery = 200 * time.Millisecond

// DeleteTenant asks the engine to delete, and waits until it has. The engine
// keeps its tasks in a file and goes on with them after a restart, so the task
// of an earlier call is found again by what it deletes.
func (s *Store) DeleteTenant(ctx context.Context, tenant uint32, before time.Time) error {
	const op = "victorialogs.delete"
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	filter, err := logsql.Before(before)
	if err != nil {
		return fault.Wrap(op, err)
	}
	s.show() // The engine deletes what it has.
	id, err := s.task(ctx, tenant, filter.String())
	if err != nil {
		return fault.Wrap(op, err)
	}
	if id == "" {
		// The engine deletes nothing that lies after the beginning of the task, and
		// events may lie ahead of the clock.
		now := time.Now()
		id = strconv.FormatInt(now.UnixNano(), 10) + "-" + strconv.FormatUint(uint64(tenant), 10)
		if err := s.storage.DeleteRunTask(ctx, id, now.Add(logsql.Ahead+time.Hour).UnixNano(), tenants(tenant), filter); err != nil {
			return fault.Wrap(op, err)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return fault.As(fault.Unavailable, op, ctx.Err(), "the events are being deleted; ask again")
		case <-time.After(pollEvery):
		}
		all, err := s.storage.DeleteActiveTasks(ctx)
		if err != nil {
			return fault.Wrap(op, err)
		}
		if !contains(all, id) {
			return nil
		}
	}
}

// task finds a deletion that is not finished.
func (s *Store) task(ctx context.Context, tenant uint32, filter string) (string, error) {
	all, err := s.storage.DeleteActiveTasks(ctx)
	for _, t := range all {
		if t.Filter == filter && len(t.TenantIDs) == 1 && t.TenantIDs[0].AccountID == tenant {
			return t.TaskID, nil
		}
	}
	return "", err
}

func contains(all []*logstorage.DeleteTask, id string) bool {
	for _, t := range all {
		if t.TaskID == id {
			return true
		}
	}
	return false
}
