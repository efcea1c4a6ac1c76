package identity_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"noroshi/fault"
	"noroshi/identity"
	"noroshi/identity/identitytest"
	"noroshi/identity/join"
	"noroshi/ledger/ledgertest"
)

// postRenew asks the enrolment port to renew, with whatever certificate, and
// returns the status.
func (r *rig) postRenew(t *testing.T, cfg *tls.Config) (int, error) {
	t.Helper()
	c := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}}
	resp, err := c.Post("https://"+r.hub.Enrol+"/renew", "application/json", strings.NewReader(`{"csr":"x"}`))
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestHostileCertificatesRenewNothing(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	c, cut := r.join(t, "good"), r.join(t, "cut")
	must(t, r.nodes.Cut(t.Context(), r.all, cut.Node, "stolen"))
	_, err := r.ca.ClusterTLS(nil)
	must(t, err)
	good, err := c.TLS().GetClientCertificate(nil)
	must(t, err)
	for _, a := range identitytest.Attempts(t, r.dir, *good, r.now()) {
		before, counted := len(r.log.String()), r.nodes.Refused()
		status, err := r.postRenew(t, a.Config)
		if a.Handshake == (err == nil) || err == nil && status != http.StatusUnauthorized {
			t.Errorf("%s: status %d, %v", a.Name, status, err)
		}
		reason := identity.RefusedUnknown
		if a.Handshake {
			reason = identity.RefusedHandshake
		}
		waitFor(t, a.Name+" is counted", func() bool { return r.nodes.Refused()[reason] == counted[reason]+1 })
		waitFor(t, a.Name+": the log says "+a.Says, func() bool { return strings.Contains(r.log.From(before), a.Says) })
		r.add(time.Second) // A second later the next handshake is logged.
	}
	if status, err := r.postRenew(t, identitytest.Shows(t, r.dir, nil)); err != nil || status != http.StatusUnauthorized {
		t.Errorf("no certificate: status %d, %v", status, err)
	}
	if status, err := r.postRenew(t, cut.TLS()); err != nil || status != http.StatusForbidden {
		t.Errorf("cut off: status %d, %v", status, err)
	}
	if _, err := r.nodes.Admit(t.Context(), c.Leaf()); err != nil {
		t.Errorf("the good one, afterwards: %v", err)
	}
}

// waitFor waits for a condition.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to this: %s", what)
		}
		<-tick.C
	}
}

// TestGarbageAndSlownessOnTheEnrolmentPortHinderNobody keeps more connections
// and requests open than are served at once.
func TestGarbageAndSlownessOnTheEnrolmentPortHinderNobody(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	cfg, err := r.ca.EnrolTLS(nil)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	log := slog.New(slog.NewTextHandler(&r.log, nil))
	s := &http.Server{Handler: identity.EnrolHandler(r.nodes, log), ErrorLog: r.nodes.HandshakeLog(log), TLSConfig: cfg, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second}
	go func() { _ = s.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = s.Close() })
	var open []net.Conn
	say := func(c net.Conn, text string) {
		_, _ = c.Write([]byte(text)) // It may be cut off in the middle.
		open = append(open, c)
	}
	for range 40 {
		for _, text := range []string{"", "\x16\x03\x01\x02\x00\x01\x00", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x40\x00" + strings.Repeat("\xff", 100)} {
			c, err := net.Dial("tcp", l.Addr().String())
			must(t, err)
			say(c, text)
		}
		c, err := tls.Dial("tcp", l.Addr().String(), identitytest.Shows(t, r.dir, nil))
		must(t, err)
		say(c, "POST /enrol HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"secret\":")
	}
	tok, err := join.ParseToken(r.token(t, r.a.ID))
	must(t, err)
	tok.Hub = l.Addr().String()
	if _, err := join.Join(t.Context(), tok.String(), "host", t.TempDir()); err != nil {
		t.Errorf("beside %d connections that lead nowhere: %v", len(open), err)
	}
	for _, c := range open {
		must(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a connection that leads nowhere stays open")
		}
		_ = c.Close()
	}
	if n := r.nodes.Refused()[identity.RefusedHandshake]; n < 120 {
		t.Errorf("%d handshakes were counted", n)
	}
	if n := strings.Count(r.log.String(), "TLS handshake error"); n != 1 {
		t.Errorf("in one moment, %d lines of log were written", n)
	}
	if _, err := r.nodes.Redeem(t.Context(), join.Request{Name: "x", Secret: "y"}); fault.KindOf(err) != fault.Denied {
		t.Error(err)
	}
}
