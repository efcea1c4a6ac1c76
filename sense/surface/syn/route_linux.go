package syn

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"noroshi/fault"
)

// Path is how frames get to targets: the interface, our addresses on it and the
// first router.
type Path struct {
	Index  int
	Name   string
	Source netip.Addr
	Own    [6]byte
	Router [6]byte
	Via    netip.Addr
}

// Lookup finds the path to a target, on the named interface if there is a name.
// It is an error of the kind NotFound when there is none that frames of our own
// can take: no router in between, or no Ethernet.
func Lookup(ctx context.Context, to netip.Addr, name string) (Path, error) {
	var p Path
	var oif []byte
	if name != "" {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return p, fault.As(fault.NotFound, "syn.path", err, "there is no interface %q", name)
		}
		oif = attribute(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(i.Index)))
	}
	body := make([]byte, unix.SizeofRtMsg)
	body[0], body[1] = family(to), byte(to.BitLen())
	body = append(append(body, attribute(unix.RTA_DST, to.AsSlice())...), oif...)
	answers, err := netlink(unix.RTM_GETROUTE, unix.NLM_F_REQUEST, body)
	if err != nil || len(answers) == 0 {
		return p, fault.As(fault.NotFound, "syn.path", err, "there is no route to %s", to)
	}
	attrs, err := syscall.ParseNetlinkRouteAttr(&answers[0])
	if err != nil {
		return p, fault.Wrap("syn.path", err)
	}
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.RTA_OIF:
			p.Index = int(binary.NativeEndian.Uint32(a.Value))
		case unix.RTA_GATEWAY:
			p.Via, _ = netip.AddrFromSlice(a.Value)
		case unix.RTA_PREFSRC:
			p.Source, _ = netip.AddrFromSlice(a.Value)
		}
	}
	i, err := net.InterfaceByIndex(p.Index)
	if err != nil {
		return p, fault.As(fault.NotFound, "syn.path", err, "the route to %s has no interface", to)
	}
	if p.Name = i.Name; !p.Via.IsValid() || len(i.HardwareAddr) != 6 || i.Flags&net.FlagLoopback != 0 {
		return p, fault.New(fault.NotFound, "syn.path", "no router lies before %s on %s: each address there would have to be asked for first", to, i.Name)
	}
	if !p.Source.IsValid() || p.Source.BitLen() != to.BitLen() {
		return p, fault.New(fault.NotFound, "syn.path", "%s has no address from which to reach %s", i.Name, to)
	}
	copy(p.Own[:], i.HardwareAddr)
	return p, p.resolve(ctx)
}

// resolve asks the kernel to find the router's hardware address, as it does for
// its own packets, and reads it when it has been found.
func (p *Path) resolve(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	ask := make([]byte, unix.SizeofNdMsg)
	ask[0] = family(p.Via)
	binary.NativeEndian.PutUint32(ask[4:], uint32(p.Index))
	ask[10] = unix.NTF_USE
	ask = append(ask, attribute(unix.NDA_DST, p.Via.AsSlice())...)
	for {
		if _, err := netlink(unix.RTM_NEWNEIGH, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE, ask); err != nil {
			return fault.As(fault.Denied, "syn.router", err, "the router %s cannot be asked for: %v", p.Via, err)
		}
		if p.known() {
			return nil
		}
		select {
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "syn.router", "the router %s on %s does not answer", p.Via, p.Name)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// known looks the router up among the neighbours.
func (p *Path) known() bool {
	table, err := syscall.NetlinkRIB(unix.RTM_GETNEIGH, int(family(p.Via)))
	if err != nil {
		return false
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return false
	}
	for _, m := range messages {
		if m.Header.Type != unix.RTM_NEWNEIGH || len(m.Data) < unix.SizeofNdMsg || binary.NativeEndian.Uint32(m.Data[4:]) != uint32(p.Index) {
			continue
		}
		usable := binary.NativeEndian.Uint16(m.Data[8:]) & (unix.NUD_REACHABLE | unix.NUD_STALE | unix.NUD_DELAY | unix.NUD_PROBE | unix.NUD_PERMANENT)
		var to netip.Addr
		var hardware []byte
		eachAttribute(m.Data[unix.SizeofNdMsg:], func(kind uint16, value []byte) {
			switch kind {
			case unix.NDA_DST:
				to, _ = netip.AddrFromSlice(value)
			case unix.NDA_LLADDR:
				hardware = value
			}
		})
		if usable != 0 && to == p.Via && len(hardware) == 6 {
			copy(p.Router[:], hardware)
			return true
		}
	}
	return false
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// attribute is a netlink attribute, padded to four bytes.
func attribute(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func eachAttribute(b []byte, f func(kind uint16, value []byte)) {
	for len(b) >= 4 {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return
		}
		f(binary.NativeEndian.Uint16(b[2:]), b[4:n])
		b = b[min((n+3)&^3, len(b)):]
	}
}

// netlink asks the kernel one question.
func netlink(kind, flags uint16, body []byte) ([]syscall.NetlinkMessage, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }() // Nothing waits in it.
	h := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	h = binary.NativeEndian.AppendUint16(h, kind)
	h = binary.NativeEndian.AppendUint16(h, flags)
	h = append(append(h, 1, 0, 0, 0, 0, 0, 0, 0), body...)
	if err := unix.Sendto(fd, h, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	b := make([]byte, 1<<16)
	n, _, err := unix.Recvfrom(fd, b, 0)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(b[:n])
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4 {
			if e := int32(binary.NativeEndian.Uint32(m.Data)); e != 0 {
				return nil, syscall.Errno(-e)
			}
		}
	}
	return messages, nil
}
