package syn

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
)

// TestSipHash takes two of the vectors of the reference implementation (key 0 to
// 15, message 0 to n-1).
func TestSipHash(t *testing.T) {
	k := Key{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	if h := k.sip(0x0706050403020100, 15<<56|0x0e0d0c0b0a0908); h != 0xa129ca6149be45e5 {
		t.Errorf("15 bytes: %x", h)
	}
	if h := k.sip(0); h != 0x726fdb47dd0e0e31 {
		t.Errorf("no bytes: %x", h)
	}
}

var paths = map[string]Path{
	"IPv4": {Source: netip.MustParseAddr("10.1.2.3"), Own: [6]byte{2, 0, 0, 0, 0, 1}, Router: [6]byte{2, 0, 0, 0, 0, 2}},
	"IPv6": {Source: netip.MustParseAddr("2001:db8::ffff:3"), Own: [6]byte{2, 0, 0, 0, 0, 1}, Router: [6]byte{2, 0, 0, 0, 0, 2}},
}

func target(p Path, last byte) netip.AddrPort {
	b := p.Source.AsSlice()
	b[len(b)-1], b[len(b)-2] = last, 0xfe
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a, 0xfff0+uint16(last))
}

// answer is what a target's kernel would say to a probe.
func answer(probe []byte, flags byte) []byte {
	b := append([]byte{}, probe...)
	at, size, head := ethLen+12, 4, 20
	if binary.BigEndian.Uint16(b[12:]) == etherIPv6 {
		at, size, head = ethLen+8, 16, 40
	}
	copy(b[at:], probe[at+size:at+2*size])
	copy(b[at+size:], probe[at:at+size])
	seg := b[ethLen+head:]
	copy(seg, probe[ethLen+head+2:ethLen+head+4])
	copy(seg[2:], probe[ethLen+head:ethLen+head+2])
	binary.BigEndian.PutUint32(seg[8:], binary.BigEndian.Uint32(probe[ethLen+head+4:])+1)
	seg[13] = flags
	return b
}

func TestProbesAreSoundAndTheirAnswersAreKnown(t *testing.T) {
	for name, p := range paths {
		t.Run(name, func(t *testing.T) {
			key, tpl := Key{1, 2}, newTemplate(p, 61234)
			raw, err := filter(p.Source, 61234)
			if err != nil {
				t.Fatal(err)
			}
			program, all := bpf.Disassemble(raw)
			if !all {
				t.Fatal("the filter holds what cannot be read back")
			}
			vm, err := bpf.NewVM(program)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 256 {
				to := target(p, byte(i))
				b := make([]byte, 128)
				tpl.write(b, to, key.cookie(to))
				b = b[:tpl.n]
				checkSums(t, b)
				for flags, want := range map[byte]bool{flagSYN | flagACK: true, flagRST | flagACK: true, flagACK: false, flagSYN: false, flagACK | 1: false} {
					frame := answer(b, flags)
					a, cookie, port, ok := parse(frame)
					if ok != want || ok && (a.From != to || cookie != key.cookie(to) || port != 61234 || a.Open != (flags&flagSYN != 0)) {
						t.Fatalf("flags %x of %s: %+v, cookie %x, port %d, %v", flags, to, a, cookie, port, ok)
					}
					if n, err := vm.Run(frame); err != nil || (n > 0) != want {
						t.Fatalf("flags %x of %s: the filter takes %d bytes, %v", flags, to, n, err)
					}
				}
				// The probe itself is no answer, nor is what goes to another port.
				other := answer(b, flagSYN|flagACK)
				binary.BigEndian.PutUint16(other[len(other)-tcpLen+2:], 61235)
				for _, frame := range [][]byte{b, other} {
					if n, err := vm.Run(frame); err != nil || n > 0 {
						t.Fatalf("the filter takes %d bytes of what is no answer, %v", n, err)
					}
				}
			}
		})
	}
}

// checkSums reckons the checksums anew, from the bytes alone.
func checkSums(t *testing.T, b []byte) {
	t.Helper()
	pseudo, seg := b[ethLen+8:ethLen+40], b[len(b)-tcpLen:]
	if binary.BigEndian.Uint16(b[12:]) == etherIPv4 {
		if s := fold(sum(0, b[ethLen:ethLen+20])); s != 0xffff {
			t.Fatalf("the IPv4 header sums up to %x", s)
		}
		pseudo = b[ethLen+12 : ethLen+20]
	}
	if s := fold(sum(sum(tcp+tcpLen, pseudo), seg)); s != 0xffff {
		t.Fatalf("the segment sums up to %x", s)
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range paths {
		tpl, b := newTemplate(p, 61234), make([]byte, 128)
		tpl.write(b, target(p, 7), 99)
		f.Add(answer(b[:tpl.n], flagSYN|flagACK))
		f.Add(b[:tpl.n])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, _, _, ok := parse(b)
		if ok && !a.From.IsValid() {
			t.Errorf("an answer of nobody: %+v", a)
		}
	})
}
