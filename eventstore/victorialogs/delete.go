package victorialogs

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"noroshi/fault"
)

// Delete removes a tenant's rows from before a moment. The engine notes the
// task on disk, begins within about a second and goes on with it after a crash.
func (s *Store) Delete(ctx context.Context, tenant uint32, before time.Time) error {
	const op = "victorialogs.delete"
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	f, err := logstorage.ParseFilter(fmt.Sprintf("_time:<%s", before.UTC().Format("2006-01-02T15:04:05.000000000Z")))
	if err != nil {
		return fault.Wrap(op, err)
	}
	now := time.Now()
	id := strconv.FormatInt(now.UnixNano(), 36) + "-" + strconv.FormatUint(uint64(tenant), 10)
	if err := s.storage.DeleteRunTask(ctx, id, now.UnixNano(), tenants(tenant), f); err != nil {
		return fault.Wrap(op, err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		tasks, err := s.storage.DeleteActiveTasks(ctx)
		if err != nil {
			return fault.Wrap(op, err)
		}
		if !active(tasks, id) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fault.As(fault.Unavailable, op, ctx.Err(), "the events are still being removed")
		case <-tick.C:
		}
	}
}

func active(tasks []*logstorage.DeleteTask, id string) bool {
	for _, t := range tasks {
		if t.TaskID == id {
			return true
		}
	}
	return false
}
