// Package probe finds out what this machine can and cannot do: which tier of the
// sensor it allows, whether the ports are free, the clock right, the disk large
// enough. It changes nothing. The command `noroshi doctor` prints it.
package probe

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"noroshi/fault"
	"noroshi/sense/endpoint/ebpf"
	"noroshi/sense/endpoint/proc"
)

// Result is one thing that was looked at.
type Result struct {
	Name   string
	OK     bool
	Detail string
	Advice string // what to do when it is not OK
}

// Run looks at everything.
func Run(_ context.Context, dataDir string, addrs []string) []Result {
	out := []Result{root(), btf(), tierEBPF(), tierProc()}
	for _, a := range addrs {
		out = append(out, port(a))
	}
	return append(out, clock(), disk(dataDir), memory())
}

func root() Result {
	r := Result{Name: "user", OK: os.Getuid() == 0, Detail: fmt.Sprintf("uid %d", os.Getuid()), Advice: "the sensor needs root (or CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN); hub and resolver do not"}
	return r
}

func btf() Result {
	_, err := os.Stat("/sys/kernel/btf/vmlinux")
	return Result{"kernel type information", err == nil, "/sys/kernel/btf/vmlinux", "the kernel was built without CONFIG_DEBUG_INFO_BTF: the eBPF tier cannot work, the proc tier can"}
}

// tierEBPF really loads and attaches the sensor's programs, and takes them away.
func tierEBPF() Result {
	t, err := ebpf.Open(1 << 16)
	if err != nil {
		return Result{"sensor: eBPF tier", false, fault.PublicOf(err), "the sensor falls back to the proc tier"}
	}
	detail := "tp_btf and cgroup hooks load and attach"
	if err := t.Close(); err != nil {
		detail += "; detaching says " + err.Error()
	}
	return Result{Name: "sensor: eBPF tier", OK: true, Detail: detail}
}

func tierProc() Result {
	t, err := proc.Open()
	if err != nil {
		return Result{"sensor: proc tier", false, fault.PublicOf(err), "start the sensor as root"}
	}
	_ = t.Close() // Nothing was asked of it.
	return Result{Name: "sensor: proc tier", OK: true, Detail: "the proc connector answers"}
}

func port(addr string) Result {
	r := Result{Name: "port " + addr, Advice: "something listens there already (Noroshi itself?); choose another in the configuration"}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		r.Detail = err.Error()
		return r
	}
	_ = l.Close() // It was only tried.
	r.OK, r.Detail = true, "free"
	return r
}

// clock asks the kernel whether something keeps its clock right.
func clock() Result {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	const unsynchronised = 5 // TIME_ERROR
	return Result{"clock", err == nil && state != unsynchronised, fmt.Sprintf("kernel state %d, estimated error %d ms", state, tx.Esterror/1000), "run an NTP client: times of hops between machines would be wrong"}
}

const wantDisk, wantMemory = 5 << 30, 1 << 30

func disk(dir string) Result {
	for dir != "/" && dir != "." {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return Result{"disk", false, err.Error(), "set data_dir to a folder that can be written"}
	}
	free := int64(s.Bavail) * int64(s.Bsize)
	return Result{"disk at " + dir, free > wantDisk, fmt.Sprintf("%.1f GiB free", float64(free)/(1<<30)), "the event store stops taking events when less than 256 MiB are free"}
}

func memory() Result {
	var s unix.Sysinfo_t
	if err := unix.Sysinfo(&s); err != nil {
		return Result{"memory", false, err.Error(), ""}
	}
	total := uint64(s.Totalram) * uint64(s.Unit)
	return Result{"memory", total > wantMemory, fmt.Sprintf("%.1f GiB", float64(total)/(1<<30)), "lower hub.events_memory_mib"}
}
