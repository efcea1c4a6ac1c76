package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// listening is what the responder says first.
const listening = "listening\n"

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// respond answers every SYN on an interface, as if each address were a machine:
// one in sixteen with an open port, the rest with a reset. It is what the
// scanner is measured against, and shares no code with it.
func respond(name string, until io.Reader, out io.Writer) error {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }() // Everything was said.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 256<<20); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return err
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000}); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		return err
	}
	// All protocols: that tap comes before the link's filter, which drops the probes.
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: i.Index}); err != nil {
		return err
	}
	if _, err := io.WriteString(out, listening); err != nil {
		return err
	}
	var end atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, until) // Its end is the word.
		end.Store(true)
	}()
	n, err := answerAll(fd, &end)
	if err != nil {
		return err
	}
	st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "answered %d, missed %d\n", n, st.Drops)
	return err
}

func answerAll(fd int, end *atomic.Bool) (answered int, err error) {
	const batch = 256
	buf := make([][128]byte, batch)
	iovs := make([]unix.Iovec, batch)
	msgs := make([]mmsghdr, batch)
	for i := range msgs {
		iovs[i].Base = &buf[i][0]
		msgs[i].hdr.Iov = &iovs[i]
		msgs[i].hdr.SetIovlen(1)
	}
	for !end.Load() {
		for i := range iovs {
			iovs[i].SetLen(len(buf[i]))
		}
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), batch, unix.MSG_WAITFORONE, 0, 0)
		if errno == unix.EAGAIN || errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return answered, errno
		}
		ready := 0
		for i := range int(n) {
			if size := int(msgs[i].n); size <= len(buf[i]) && answer(buf[i][:size]) {
				buf[ready], iovs[ready].Len = buf[i], uint64(size)
				ready++
			}
		}
		for sent := 0; sent < ready; {
			n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[sent])), uintptr(ready-sent), 0, 0, 0)
			if errno != 0 && errno != unix.EINTR && errno != unix.ENOBUFS {
				return answered, errno
			}
			if errno == 0 {
				sent += int(n)
			}
		}
		answered += ready
	}
	return answered, nil
}

// answer turns a SYN over IPv4 into the answer to it, in place.
func answer(b []byte) bool {
	if len(b) < 14+20+20 || b[12] != 8 || b[13] != 0 || b[14] != 0x45 || b[23] != 6 || b[47] != 2 {
		return false
	}
	swap(b[:6], b[6:12])
	swap(b[26:30], b[30:34])
	swap(b[34:36], b[36:38])
	seq := binary.BigEndian.Uint32(b[38:])
	binary.BigEndian.PutUint32(b[38:], ^seq)
	binary.BigEndian.PutUint32(b[42:], seq+1)
	b[47] = 0x14
	if b[29]%16 == 0 {
		b[47] = 0x12
	}
	b[50], b[51] = 0, 0
	// The header's own sum is the same with its addresses exchanged.
	sum := uint32(6 + len(b) - 34)
	for i := 26; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[50:], ^uint16(sum))
	return true
}

func swap(a, b []byte) {
	for i := range a {
		a[i], b[i] = b[i], a[i]
	}
}
