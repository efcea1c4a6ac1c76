package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"noroshi/fault"
	"noroshi/identity"
	"noroshi/identity/join"
	"noroshi/ledger/ledgertest"
)

func TestEnrolAnswersInProblems(t *testing.T) {
	r := newRig(t, ledgertest.SQLite(t))
	h := identity.EnrolHandler(r.nodes, slog.New(slog.DiscardHandler))
	for name, c := range map[string]struct {
		method, path, body string
		code               int
		says               string
	}{
		"no JSON":         {"POST", "/enrol", "hello", 400, "JSON"},
		"unknown field":   {"POST", "/enrol", `{"role":"hub"}`, 400, "role"},
		"two requests":    {"POST", "/enrol", `{"name":"x"}{}`, 400, "follows"},
		"too large":       {"POST", "/enrol", `{"name":"` + strings.Repeat("x", join.MaxRequest) + `"}`, 413, "larger"},
		"no name":         {"POST", "/enrol", `{}`, 400, "name"},
		"unknown token":   {"POST", "/enrol", `{"name":"x","secret":"s"}`, 403, "unknown"},
		"no certificate":  {"POST", "/renew", `{"csr":"x"}`, 401, "none was shown"},
		"another method":  {"GET", "/enrol", "", 405, ""},
		"another address": {"POST", "/", "{}", 404, ""},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.code {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if c.says == "" {
			continue
		}
		var p struct {
			Title, Detail string
			Status        int
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" ||
			p.Status != c.code || p.Title != http.StatusText(c.code) || !strings.Contains(p.Detail, c.says) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// FuzzIssueNode feeds what a stranger may send as a certificate request.
func FuzzIssueNode(f *testing.F) {
	ca, err := identity.OpenCA(f.TempDir(), time.Now)
	must(f, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(f, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"hub.example"}}, key)
	must(f, err)
	f.Add(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})))
	f.Add("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n")
	f.Add("")
	until := time.Now().Add(time.Hour)
	f.Fuzz(func(t *testing.T, csr string) {
		cert, err := ca.IssueNode(csr, "nod_x", "org_x", identity.Sensor, until)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%v", err)
			}
			return
		}
		if cert.Subject.CommonName != "nod_x" || cert.IsCA || len(cert.DNSNames)+len(cert.IPAddresses)+len(cert.URIs)+len(cert.EmailAddresses) != 0 ||
			len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
			t.Errorf("the request chose what it got: %+v", cert.Subject)
		}
	})
}

// FuzzEnrolRequest feeds what a stranger may post.
func FuzzEnrolRequest(f *testing.F) {
	f.Add([]byte(`{"secret":"s","name":"x","csr":"-----BEGIN CERTIFICATE REQUEST-----"}`))
	f.Add([]byte(`{"name":1}`))
	f.Add([]byte(`{"name":"x"}{"name":"y"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := identity.ReadRequest(httptest.NewRecorder(), httptest.NewRequest("POST", "/enrol", strings.NewReader(string(body))))
		if _, rerr := identity.ReadRenewal(httptest.NewRecorder(), httptest.NewRequest("POST", "/renew", strings.NewReader(string(body)))); rerr != nil && fault.KindOf(rerr) != fault.Invalid && fault.KindOf(rerr) != fault.TooLarge {
			t.Error(rerr)
		}
		if err == nil && len(in.Secret)+len(in.Name)+len(in.CSR) > 3*join.MaxRequest {
			t.Error("the request grew")
		}
		if k := fault.KindOf(err); err != nil && k != fault.Invalid && k != fault.TooLarge {
			t.Error(err)
		}
	})
}
