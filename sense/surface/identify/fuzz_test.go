package identify

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"
	"unicode/utf8"
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
		a := &asking{Engine: &Engine{}, ctx: t.Context(), to: netip.MustParseAddrPort("192.0.2.1:25"), s: Service{Evidence: map[string]string{}}}
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
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxText {
		t.Errorf("%q is no text, or too long", s)
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || isBidi(r) {
			t.Errorf("%q holds %U", s, r)
		}
	}
}
