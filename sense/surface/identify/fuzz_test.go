package identify

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"noroshi/service"
)

func FuzzKexInit(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := decodeKexInit(b); ok && len(s.Kex)+len(s.HostKeys)+len(s.Ciphers)+len(s.MACs) > 400 {
			t.Errorf("%d names", len(s.Kex))
		}
	})
}

func FuzzGreeting(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, ok := decodeGreeting(b); ok && g.version == "" && g.refusal == "" {
			t.Error("a greeting without words")
		}
	})
}

func FuzzVersionBind(f *testing.F) {
	f.Fuzz(func(_ *testing.T, b []byte) { decodeVersionBind(b, 7) })
}

func FuzzResponse(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		resp, body := readResponse(bytes.NewReader(b))
		if len(body) > min(maxAnswer, len(b)) || resp == nil && body != nil {
			t.Errorf("%d bytes of body out of %d", len(body), len(b))
		}
		shown(t, title(body))
	})
}

// FuzzBanner is a server that says these bytes and hangs up.
func FuzzBanner(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		a := &asking{Engine: &Engine{}, ctx: t.Context(), to: netip.MustParseAddrPort("192.0.2.1:25"), s: service.Answer{Evidence: map[string]string{}}}
		a.dial = func(context.Context, string, netip.AddrPort) (net.Conn, error) { return nil, net.ErrClosed }
		here, there := net.Pipe()
		_ = there.Close()
		a.speaksFirst(here, b)
		a.conclude()
		for _, v := range a.s.Evidence {
			shown(t, v)
		}
	})
}

// shown checks that a text of the other side may be shown to a person.
func shown(t *testing.T, s string) {
	t.Helper()
	if clean := service.Text(s); clean != s {
		t.Errorf("%q is shown; want %q", s, clean)
	}
}

func FuzzElement(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, value, rest, ok := element(b); ok && len(value)+len(rest) > len(b)-2 {
			t.Errorf("%d bytes of value and %d of rest out of %d", len(value), len(rest), len(b))
		}
	})
}

func FuzzEngine(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, ok := decodeEngine(b, 0x01020304); ok {
			e.enterprise()
		}
	})
}

// FuzzSearch is a directory's answer, of which only a bounded part is kept.
func FuzzSearch(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		root, _, _ := decodeSearch(b)
		if len(root) > 8*64 {
			t.Errorf("%d attributes are kept", len(root))
		}
		for _, v := range root {
			shown(t, v)
		}
	})
}

// FuzzVariables cuts the bytes into datagrams, each with its length before it.
func FuzzVariables(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		v := variables{sequence: 0x0102}
		for n := 0; len(b) > 2; b = b[n:] {
			n = min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			v.add(b[2 : 2+n])
			n += 2
		}
		if len(v.parts) > maxFragments || len(v.text()) > maxFragments*maxAnswer {
			t.Errorf("%d parts, %d bytes", len(v.parts), len(v.text()))
		}
	})
}

func FuzzBinding(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		software, _ := decodeBinding(b, []byte("\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"))
		shown(t, software)
	})
}

func FuzzHeaders(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		first, _, _ := decodeHeaders(b, "SIP/2.0 ")
		shown(t, first)
	})
}

func FuzzSMB(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		decodeNegotiated(b)
		c, _ := decodeChallenge(b)
		shown(t, c.name)
		shown(t, c.domain)
	})
}

func FuzzNegotiation(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, ok := decodeNegotiation(b); ok {
			shown(t, n.security())
		}
	})
}

func FuzzStart(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		all, _ := decodeStart(b)
		if len(all) > 64 {
			t.Errorf("%d properties are kept", len(all))
		}
		for k, v := range all {
			shown(t, k)
			shown(t, v)
		}
	})
}

// FuzzChoice is a server's side of a handshake that was begun by hand.
func FuzzChoice(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, more, ok := decodeChoice(b); more && ok || more && len(b) > maxHello+maxAnswer {
			t.Errorf("more %v, ok %v of %d bytes", more, ok, len(b))
		}
	})
}

func FuzzSecurityTxt(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if s := decodeSecurityTxt(b); s != nil {
			if len(s.Contact) == 0 || len(s.Contact) > 10 {
				t.Errorf("%d contacts", len(s.Contact))
			}
			for _, c := range append(s.Contact, s.Policy) {
				shown(t, c)
			}
		}
	})
}

// FuzzTelnet checks that what is refused is what was offered, three bytes each.
func FuzzTelnet(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if say := refusals(b); len(say)%3 != 0 || len(say) > 302 || len(say) > len(b) {
			t.Errorf("%d bytes answer %d", len(say), len(b))
		}
	})
}
