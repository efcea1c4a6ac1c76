//go:build linux

// Package ebpf is the sensor's first tier: it loads sensor.bpf.o, attaches it
// and reads its ring. The object is built from sensor.bpf.c by Debian's clang
// (make bpf) and kept beside it, so that a build needs no compiler; a test builds
// it again and compares.
package ebpf

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"noroshi/fault"
	"noroshi/sense/endpoint/observed"
)

//go:embed sensor.bpf.o
var object []byte

// Tier is the loaded and attached programs.
type Tier struct {
	col    *ebpf.Collection
	links  []link.Link
	ring   *ringbuf.Reader
	boot   time.Time // wall time of the boot
	limits []string
	stats  struct{ seen, unreadable atomic.Uint64 }
}

// Open loads and attaches. An error means that this kernel or this user does not
// allow the tier at all; what only DNS needs may be missing and is a limit.
func Open(ringBytes int) (*Tier, error) {
	const op = "ebpf.open"
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if ringBytes > 0 {
		spec.Maps["ring"].MaxEntries = uint32(ringBytes)
	}
	_ = rlimit.RemoveMemlock() // Kernels since 5.11 need it no more.
	t := &Tier{boot: bootTime()}
	if t.col, err = ebpf.NewCollection(spec); err != nil {
		return nil, fault.As(fault.Unavailable, op, err, "the kernel does not load the sensor's programs (%v)", errors.Unwrap(err))
	}
	if err := t.attach(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	if t.ring, err = ringbuf.NewReader(t.col.Maps["ring"]); err != nil {
		return nil, errors.Join(fault.Wrap(op, err), t.Close())
	}
	return t, nil
}

func (t *Tier) attach() error {
	for _, name := range []string{"on_exec", "on_exit", "on_state", "on_sys_exit"} {
		l, err := link.AttachTracing(link.TracingOptions{Program: t.col.Programs[name]})
		if err != nil {
			return fault.As(fault.Unavailable, "ebpf.attach", err, "the kernel does not attach %s", name)
		}
		t.links = append(t.links, l)
	}
	group, err := cgroup()
	if err != nil {
		t.limits = append(t.limits, "DNS queries are not seen: "+fault.PublicOf(err))
		return nil
	}
	for name, as := range map[string]ebpf.AttachType{"on_connect4": ebpf.AttachCGroupInet4Connect, "on_connect6": ebpf.AttachCGroupInet6Connect,
		"on_sendmsg4": ebpf.AttachCGroupUDP4Sendmsg, "on_sendmsg6": ebpf.AttachCGroupUDP6Sendmsg, "on_egress": ebpf.AttachCGroupInetEgress} {
		l, err := link.AttachCgroup(link.CgroupOptions{Path: group, Attach: as, Program: t.col.Programs[name]})
		if err != nil {
			t.limits = append(t.limits, "DNS queries may be missed: "+name+" is not attached ("+err.Error()+")")
			continue
		}
		t.links = append(t.links, l)
	}
	return nil
}

// cgroup finds where the unified hierarchy is mounted.
func cgroup() (string, error) {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", fault.Wrap("ebpf.cgroup", err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1], nil
		}
	}
	return "", fault.New(fault.Unavailable, "ebpf.cgroup", "no cgroup2 hierarchy is mounted")
}

// Limits says what this tier cannot see here.
func (t *Tier) Limits() []string {
	return append([]string{"encrypted DNS is seen as a connection only", "network beyond TCP and DNS is not seen",
		"the source port of an outgoing connection is not known when it begins"}, t.limits...)
}

// Stats returns the counters; dropped is the kernel's own count.
func (t *Tier) Stats() observed.Stats {
	s := observed.Stats{Seen: t.stats.seen.Load(), Unreadable: t.stats.unreadable.Load()}
	var perCPU []uint64
	if t.col.Maps["dropped"].Lookup(uint32(0), &perCPU) == nil {
		for _, n := range perCPU {
			s.Dropped += n
		}
	}
	return s
}

// look is how often the ring is looked into: the kernel does not wake us.
const look = 5 * time.Millisecond

// Run hands over facts until ctx ends.
func (t *Tier) Run(ctx context.Context, take func(observed.Fact)) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	var rec ringbuf.Record
	t.ring.SetDeadline(time.Unix(1, 0)) // Never wait inside: return when it is empty.
	for {
		for {
			err := t.ring.ReadInto(&rec)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return fault.Wrap("ebpf.read", err)
			}
			t.stats.seen.Add(1)
			f, ok := decode(rec.RawSample)
			if !ok {
				t.stats.unreadable.Add(1)
				continue
			}
			f.At = t.boot.Add(time.Duration(f.At.UnixNano()))
			take(f)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Close detaches and unloads.
func (t *Tier) Close() error {
	var err error
	for _, l := range t.links {
		err = errors.Join(err, l.Close())
	}
	if t.ring != nil {
		err = errors.Join(err, t.ring.Close())
	}
	if t.col != nil {
		t.col.Close()
	}
	return err
}

func bootTime() time.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return time.Unix(0, 0)
	}
	return time.Now().Add(-time.Duration(ts.Nano()))
}

const (
	headerSize = 48
	execFixed  = headerSize + 8 + 256
	netSize    = headerSize + 8 + 32
)

// decode reads a record of the ring; the layout is sensor.bpf.c's. At holds the
// time since boot.
func decode(b []byte) (observed.Fact, bool) {
	if len(b) < headerSize {
		return observed.Fact{}, false
	}
	le := binary.LittleEndian
	f := observed.Fact{Kind: observed.Kind(le.Uint32(b)), PID: int(le.Uint32(b[4:])), PPID: int(le.Uint32(b[8:])), UID: int(le.Uint32(b[12:])),
		At: time.Unix(0, int64(le.Uint64(b[16:]))), Start: time.Duration(le.Uint64(b[24:])), Comm: text(b[32:48])}
	switch f.Kind {
	case observed.Exec:
		if len(b) < execFixed {
			return f, false
		}
		n, total := int(le.Uint32(b[48:])), int(le.Uint32(b[52:]))
		if n < 0 || n > len(b)-execFixed {
			return f, false
		}
		f.File = text(b[56:execFixed])
		f.Cut = n < total
		for _, a := range bytes.Split(bytes.TrimSuffix(b[execFixed:execFixed+n], []byte{0}), []byte{0}) {
			f.Args = append(f.Args, string(a))
		}
	case observed.Exit:
		if len(b) < headerSize+4 {
			return f, false
		}
		f.Code = int(int32(le.Uint32(b[48:])))
	case observed.Connect, observed.Accept, observed.DNS:
		if len(b) < netSize {
			return f, false
		}
		family := le.Uint16(b[48:])
		f.Local, f.Remote = addr(family, b[56:72], le.Uint16(b[50:])), addr(family, b[72:88], le.Uint16(b[52:]))
		if f.Kind == observed.DNS {
			n := int(le.Uint16(b[54:]))
			f.Payload = bytes.Clone(b[netSize:])
			if n > 0 && n <= len(f.Payload) {
				f.Payload = f.Payload[:n]
			}
		}
	default:
		return f, false
	}
	return f, true
}

func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

func addr(family uint16, b []byte, port uint16) netip.AddrPort {
	if family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[:16])).Unmap(), port)
}
