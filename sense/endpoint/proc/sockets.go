//go:build linux

package proc

import (
	"bufio"
	"context"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"noroshi/sense/endpoint/observed"
)

// connections looks at the sockets each second and hands over those that are
// new.
func (t *Tier) connections(ctx context.Context, take func(observed.Fact)) {
	known := sockets()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := sockets()
		var fresh []socket
		for inode, s := range now {
			if _, ok := known[inode]; !ok && s.state == established {
				fresh = append(fresh, s)
			}
		}
		known = now
		if len(fresh) == 0 {
			continue
		}
		listening := map[uint16]bool{}
		for _, s := range now {
			if s.state == listenState {
				listening[s.local.Port()] = true
			}
		}
		owners := ownersOf(fresh)
		for _, s := range fresh {
			f := observed.Fact{Kind: observed.Connect, At: time.Now(), PID: owners[s.inode], UID: s.uid, Local: s.local, Remote: s.remote}
			if listening[s.local.Port()] {
				f.Kind = observed.Accept
			}
			t.stats.seen.Add(1)
			take(f)
		}
	}
}

// States of /proc/net/tcp.
const (
	established = "01"
	listenState = "0A"
)

type socket struct {
	inode         string
	state         string
	uid           int
	local, remote netip.AddrPort
}

func sockets() map[string]socket {
	out := map[string]socket{}
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue // No IPv6 here.
		}
		lines := bufio.NewScanner(f)
		lines.Scan() // The heading.
		for lines.Scan() {
			if s, ok := parseSocket(lines.Text()); ok {
				out[s.inode] = s
			}
		}
		_ = f.Close()
	}
	return out
}

// parseSocket reads one line of /proc/net/tcp or tcp6.
func parseSocket(line string) (socket, bool) {
	v := strings.Fields(line)
	if len(v) < 10 || v[9] == "0" {
		return socket{}, false
	}
	s := socket{inode: v[9], state: v[3]}
	var ok1, ok2 bool
	s.local, ok1 = parseAddr(v[1])
	s.remote, ok2 = parseAddr(v[2])
	s.uid, _ = strconv.Atoi(v[7])
	return s, ok1 && ok2
}

// parseAddr reads "0100007F:0050": words of four bytes in the machine's order,
// which is little endian on all that we build for.
func parseAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	p, perr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || perr != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		b[i], b[i+1], b[i+2], b[i+3] = b[i+3], b[i+2], b[i+1], b[i]
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), ok
}

// ownersOf finds whose sockets these are.
func ownersOf(list []socket) map[string]int {
	want := map[string]string{}
	for _, s := range list {
		want["socket:["+s.inode+"]"] = s.inode
	}
	out := map[string]int{}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return out
	}
	for _, fd := range fds {
		link, err := os.Readlink(fd)
		if err != nil {
			continue
		}
		if inode, ok := want[link]; ok {
			out[inode], _ = strconv.Atoi(strings.Split(fd, "/")[2])
		}
	}
	return out
}
