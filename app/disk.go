package app

import (
	"context"
	"log/slog"
	"time"

	"noroshi/config"
	"noroshi/disk"
	"noroshi/fault"
)

// newBrake makes the brake of a role from the configuration. Its reserve lies in
// the first folder.
func newBrake(cfg config.Disk, reserveMiB int, paths ...string) *disk.Brake {
	return disk.New(disk.Config{Paths: paths, WarnPercent: float64(cfg.WarnPercent), BrakePercent: float64(cfg.BrakePercent),
		BrakeBytes: uint64(cfg.BrakeMiB) << 20, Reserve: int64(reserveMiB) << 20}, time.Now)
}

// space watches the disks of the hub's folders, which may be several. What it
// says reaches the log here, and the pages through the status.
func (h *hub) space(context.Context) error {
	h.brake = newBrake(h.cfg.Disk, h.cfg.Disk.ReserveMiB, h.cfg.DataDir, h.dir("events"), h.dir("bus"))
	var spent bool
	h.brake.OnChange = func(s disk.State) {
		sayDisk(h.log, s)
		if s.Level == disk.Spent {
			spent = true
		}
		if spent && s.Level < disk.Closed {
			spent = false
			h.revive()
		}
		h.announce("status", "", nil)
	}
	return nil
}

func sayDisk(log *slog.Logger, s disk.State) {
	at := []any{"path", s.Short.Path, "free_mib", s.Short.Free >> 20, "closes_below_mib", s.CloseAt >> 20}
	switch {
	case s.Err != nil:
		log.Error("the disk does not answer; nothing is taken in", append(at, "err", s.Err)...)
	case s.Level == disk.Spent:
		log.Error("the disk is full; the reserve was given up for decisions and revocations, and nothing is taken in", at...)
	case s.Level == disk.Closed:
		log.Error("the disk is nearly full; nothing is taken in until there is room, nodes keep their events meanwhile", append(at, "opens_from_mib", s.OpenAt>>20)...)
	case s.Level == disk.Low:
		log.Warn("the disk is getting full", at...)
	default:
		log.Info("the disk has room", at...)
	}
}

// revive ends the hub when the disk was so full that the bus gave up: it does
// not begin again by itself, and whoever started the hub starts it anew. Nothing
// that was acknowledged is lost by that.
func (h *hub) revive() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := h.line.Works(ctx); err != nil {
		h.run.fail("bus", fault.As(fault.Exhausted, "app.disk", err, "the disk was full and the bus stopped; there is room again: start the hub anew"))
	}
}
