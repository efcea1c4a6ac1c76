package join

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"noroshi/fault"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// authority is a CA that signs whatever a test wants.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return authority{cert, key}
}

func (a authority) sign(t testing.TB, name string, usage x509.ExtKeyUsage, ips ...net.IP) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: ips, KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// listen serves h as a hub with a certificate, and counts the requests.
func listen(t *testing.T, cert tls.Certificate, h http.HandlerFunc) (addr string, requests *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	requests = new(atomic.Int32)
	s := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { requests.Add(1); h(w, r) })}
	go func() {
		_ = s.Serve(tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}))
	}()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String(), requests
}

// TestSecretGoesToTheTokensHubOnly puts other hubs in its place.
func TestSecretGoesToTheTokensHubOnly(t *testing.T) {
	home, other := newAuthority(t), newAuthority(t)
	loopback := net.IPv4(127, 0, 0, 1)
	with := func(c tls.Certificate, more ...authority) tls.Certificate {
		for _, a := range more {
			c.Certificate = append(c.Certificate, a.cert.Raw)
		}
		return c
	}
	for name, c := range map[string]struct {
		cert tls.Certificate
		asks int32
	}{
		"the hub":                         {with(home.sign(t, "hub", x509.ExtKeyUsageServerAuth, loopback), home), 1},
		"another authority":               {with(other.sign(t, "hub", x509.ExtKeyUsageServerAuth, loopback), other), 0},
		"another one that shows ours":     {with(other.sign(t, "hub", x509.ExtKeyUsageServerAuth, loopback), other, home), 0},
		"no authority":                    {home.sign(t, "hub", x509.ExtKeyUsageServerAuth, loopback), 0},
		"a node that plays the hub":       {with(home.sign(t, "nod_x", x509.ExtKeyUsageClientAuth, loopback), home), 0},
		"the hub of another address":      {with(home.sign(t, "hub", x509.ExtKeyUsageServerAuth, net.IPv4(192, 0, 2, 1)), home), 0},
		"the authority's own certificate": {tls.Certificate{Certificate: [][]byte{home.cert.Raw, home.cert.Raw}, PrivateKey: home.key}, 0},
	} {
		addr, requests := listen(t, c.cert, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
		tok := Token{Hub: addr, CA: SPKI(home.cert), Secret: strings.Repeat("5", 64)}
		dir := t.TempDir()
		_, err := Join(t.Context(), tok.String(), "x", dir)
		want := fault.Unavailable
		if c.asks == 1 {
			want = fault.Denied
		}
		if fault.KindOf(err) != want || requests.Load() != c.asks {
			t.Errorf("%s: %d requests, %v", name, requests.Load(), err)
		}
		if list, _ := os.ReadDir(dir); len(list) != 0 {
			t.Errorf("%s: a refused node keeps %v", name, list)
		}
	}
}

func TestAnswersThatCannotBeUsedLeaveWhatWasThere(t *testing.T) {
	home := newAuthority(t)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, fileName), []byte("before"), 0o600))
	elsewhere, away := listen(t, tls.Certificate{}, func(http.ResponseWriter, *http.Request) {})
	cert := home.sign(t, "hub", x509.ExtKeyUsageServerAuth, net.IPv4(127, 0, 0, 1))
	cert.Certificate = append(cert.Certificate, home.cert.Raw)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   fault.Kind
	}{
		"nothing":  {func(http.ResponseWriter, *http.Request) {}, fault.Invalid},
		"no keys":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"node":"nod_x"}`)) }, fault.Invalid},
		"endless":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }, fault.Invalid},
		"busy":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, fault.Unavailable},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "https://"+elsewhere+"/enrol", 307) }, fault.Invalid},
	} {
		addr, _ := listen(t, cert, c.answer)
		_, err := Join(t.Context(), Token{Hub: addr, CA: SPKI(home.cert), Secret: strings.Repeat("5", 64)}.String(), "x", dir)
		if fault.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: %v", name, err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, fileName)); err != nil || string(b) != "before" {
			t.Errorf("%s: what was there became %q, %v", name, b, err)
		}
	}
	if away.Load() != 0 {
		t.Error("the secret followed a redirection")
	}
}
