package identity

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"

	"noroshi/fault"
	"noroshi/identity/join"
)

func publicOf(k ed25519.PrivateKey) []byte {
	pub, _ := k.Public().(ed25519.PublicKey)
	return pub
}

func parseCSR(s string) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode([]byte(s))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, fault.New(fault.Invalid, "identity.csr", "the certificate request is not PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		return nil, fault.As(fault.Invalid, "identity.csr", err, "the certificate request cannot be used")
	}
	return csr, nil
}

// EnrolHandler answers POST /enrol. It is served over TLS to whoever asks: the
// token is the proof.
func EnrolHandler(n *Nodes, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /enrol", func(w http.ResponseWriter, r *http.Request) {
		var in join.Request
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, join.MaxRequest))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			problem(w, fault.As(fault.Invalid, "identity.enrol", err, "the request is not the expected JSON: %v", err))
			return
		}
		e, err := n.Redeem(r.Context(), in)
		if err != nil {
			log.Warn("enrolment refused", "role", "hub", "peer", r.RemoteAddr, "why", fault.PublicOf(err))
			problem(w, err)
			return
		}
		log.Info("node joined", "role", "hub", "org", e.Org, "node", e.Node, "name", e.Name, "as", e.Role)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(e) // A node that is gone joins again with a new token.
	})
	return mux
}

func problem(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	switch fault.KindOf(err) {
	case fault.Invalid, fault.TooLarge:
		code = http.StatusBadRequest
	case fault.Denied:
		code = http.StatusForbidden
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(code), "status": code, "detail": fault.PublicOf(err)})
}
