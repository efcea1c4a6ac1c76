//go:build linux

// Package proc is the sensor's fallback where eBPF is refused: the kernel's proc
// connector tells which processes start and end, /proc tells the rest if it is
// asked soon enough. Short-lived processes may lose their arguments, connections
// are found by looking each second, and DNS queries are not seen; its Limits say
// so.
package proc

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"noroshi/fault"
	"noroshi/sense/endpoint/observed"
)

// From linux/cn_proc.h.
const (
	cnIdxProc  = 1
	cnValProc  = 1
	listen     = 1
	eventExec  = 0x00000002
	eventExit  = 0x80000000
	headerSize = 16 + 20 // nlmsghdr and cn_msg
)

// Tier is an open proc connector.
type Tier struct {
	fd    int
	stats struct{ seen, dropped, unreadable atomic.Uint64 }
}

// Open subscribes to the connector, which root may.
func Open() (*Tier, error) {
	const op = "proc.open"
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, fault.As(fault.Unavailable, op, err, "the proc connector is not there")
	}
	t := &Tier{fd: fd}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: cnIdxProc}); err != nil {
		return nil, errors.Join(fault.As(fault.Unavailable, op, err, "the proc connector is not allowed; the sensor needs root"), t.Close())
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20) // A smaller buffer loses sooner, and counts it.
	tv := unix.NsecToTimeval(int64(200 * time.Millisecond))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return nil, errors.Join(fault.Wrap(op, err), t.Close())
	}
	msg := make([]byte, headerSize+4)
	ne := binary.NativeEndian
	ne.PutUint32(msg, uint32(len(msg)))
	ne.PutUint16(msg[4:], unix.NLMSG_DONE)
	ne.PutUint32(msg[12:], uint32(os.Getpid()))
	ne.PutUint32(msg[16:], cnIdxProc)
	ne.PutUint32(msg[20:], cnValProc)
	ne.PutUint16(msg[32:], 4)
	ne.PutUint32(msg[36:], listen)
	if err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.Join(fault.As(fault.Unavailable, op, err, "the proc connector is not allowed; the sensor needs root"), t.Close())
	}
	return t, nil
}

// Limits says what this tier cannot see.
func (t *Tier) Limits() []string {
	return []string{"processes that end at once may lose their arguments", "connections shorter than a second are not seen",
		"DNS queries are not seen", "the direction of a connection is told by its ports"}
}

// Stats returns the counters.
func (t *Tier) Stats() observed.Stats {
	return observed.Stats{Seen: t.stats.seen.Load(), Dropped: t.stats.dropped.Load(), Unreadable: t.stats.unreadable.Load()}
}

// Close ends the subscription.
func (t *Tier) Close() error { return unix.Close(t.fd) }

// Run hands over facts until ctx ends.
func (t *Tier) Run(ctx context.Context, take func(observed.Fact)) error {
	go t.connections(ctx, take)
	buf := make([]byte, 64<<10)
	for ctx.Err() == nil {
		n, _, err := unix.Recvfrom(t.fd, buf, 0)
		switch {
		case errors.Is(err, unix.ENOBUFS):
			t.stats.dropped.Add(1) // The kernel does not say how many; one at least.
			continue
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fault.Wrap("proc.read", err)
		}
		if f, ok := t.decode(buf[:n]); ok {
			t.stats.seen.Add(1)
			take(f)
		}
	}
	return nil
}

// decode reads one message of the connector: struct proc_event behind two
// headers.
func (t *Tier) decode(b []byte) (observed.Fact, bool) {
	if len(b) < headerSize+16+8 {
		return observed.Fact{}, false
	}
	ne := binary.NativeEndian
	what, body := ne.Uint32(b[headerSize:]), b[headerSize+16:]
	f := observed.Fact{PID: int(int32(ne.Uint32(body[4:]))), At: time.Now()}
	switch what {
	case eventExec:
		f.Kind = observed.Exec
		if !describe(&f) {
			t.stats.unreadable.Add(1) // It ended before it was looked at: only the pid is known.
			f.File = "?"
		}
	case eventExit:
		if len(body) < 12 || ne.Uint32(body) != ne.Uint32(body[4:]) {
			return f, false // A thread ended, not the process.
		}
		f.Kind, f.Code = observed.Exit, int(ne.Uint32(body[8:]))
	default:
		return f, false
	}
	return f, true
}

// describe asks /proc about a process that has just started.
func describe(f *observed.Fact) bool {
	dir := filepath.Join("/proc", strconv.Itoa(f.PID))
	cmd, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return false
	}
	f.Args = strings.Split(strings.TrimSuffix(string(cmd[:min(len(cmd), 16<<10)]), "\x00"), "\x00")
	exe, err := os.Readlink(filepath.Join(dir, "exe"))
	if err != nil {
		return false
	}
	f.File = strings.TrimSuffix(exe, " (deleted)")
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return false
	}
	for _, line := range strings.Split(string(status), "\n") {
		switch v := strings.Fields(line); {
		case strings.HasPrefix(line, "Name:") && len(v) > 1:
			f.Comm = v[1]
		case strings.HasPrefix(line, "PPid:") && len(v) > 1:
			f.PPID, _ = strconv.Atoi(v[1])
		case strings.HasPrefix(line, "Uid:") && len(v) > 1:
			f.UID, _ = strconv.Atoi(v[1])
		}
	}
	return true
}
