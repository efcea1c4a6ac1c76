package identity

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"noroshi/fault"
	"noroshi/identity/join"
)

// enrolAtOnce bounds how many strangers are served at the same time.
const enrolAtOnce = 16

// EnrolHandler answers POST /enrol and POST /renew, over EnrolTLS. The proof of
// who joins is the token, of who renews the certificate that the handshake has
// verified.
func EnrolHandler(n *Nodes, log *slog.Logger) http.Handler {
	busy := make(chan struct{}, enrolAtOnce)
	// A request gets its turn when it has been read: who sends slowly hinders nobody.
	turn := func(w http.ResponseWriter, work func() (*join.Enrolment, error)) {
		select {
		case busy <- struct{}{}:
			defer func() { <-busy }()
		default:
			n.refused.count(RefusedBusy)
			w.Header().Set("Retry-After", "1")
			problem(w, fault.New(fault.Unavailable, "identity.enrol", "many nodes are joining; try again in a second"))
			return
		}
		e, err := work()
		if err != nil {
			problem(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		// A node that is gone joins again with a new token, or renews again with what it has.
		_ = json.NewEncoder(w).Encode(e)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /enrol", func(w http.ResponseWriter, r *http.Request) {
		in, err := readRequest[join.Request](w, r)
		if err != nil {
			problem(w, err)
			return
		}
		in.Peer = r.RemoteAddr
		turn(w, func() (*join.Enrolment, error) {
			e, err := n.Redeem(r.Context(), in)
			if err != nil {
				log.Warn("enrolment refused", "role", "hub", "peer", in.Peer, "why", fault.PublicOf(err), "err", err)
				return nil, err
			}
			log.Info("node joined", "role", "hub", "org", e.Org, "node", e.Node, "name", e.Name, "as", e.Role, "peer", in.Peer)
			return e, nil
		})
	})
	mux.HandleFunc("POST /renew", func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			n.refused.count(RefusedHandshake)
			log.Warn("renewal refused", "role", "hub", "peer", r.RemoteAddr, "why", "no certificate")
			problem(w, fault.New(fault.Unauthenticated, "identity.renew", "a node renews with its present certificate, and none was shown"))
			return
		}
		proof := r.TLS.PeerCertificates[0]
		in, err := readRequest[join.Renewal](w, r)
		if err != nil {
			problem(w, err)
			return
		}
		in.Peer = r.RemoteAddr
		turn(w, func() (*join.Enrolment, error) {
			e, err := n.Renew(r.Context(), proof, in)
			if err != nil {
				log.Warn("renewal refused", "role", "hub", "peer", in.Peer, "certificate", proof.Subject.String(), "why", fault.PublicOf(err), "err", err)
				return nil, err
			}
			log.Info("node renewed its certificate", "role", "hub", "org", e.Org, "node", e.Node, "name", e.Name, "until", e.NotAfter)
			return e, nil
		})
	})
	return mux
}

func readRequest[T join.Request | join.Renewal](w http.ResponseWriter, r *http.Request) (in T, err error) {
	const op = "identity.enrol"
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, join.MaxRequest))
	d.DisallowUnknownFields()
	err = d.Decode(&in)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows the request")
		}
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return in, fault.As(fault.TooLarge, op, err, "the request is larger than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return in, fault.As(fault.Invalid, op, err, "the request is not the expected JSON: %v", err)
	}
	return in, nil
}

// status maps kinds of errors to HTTP.
var status = map[fault.Kind]int{
	fault.Unavailable: http.StatusServiceUnavailable, fault.Conflict: http.StatusConflict, fault.Denied: http.StatusForbidden,
	fault.Unauthenticated: http.StatusUnauthorized, fault.Exhausted: http.StatusTooManyRequests, fault.Invalid: http.StatusBadRequest, fault.TooLarge: http.StatusRequestEntityTooLarge,
}

// problem answers with an RFC 9457 problem.
func problem(w http.ResponseWriter, err error) {
	code, ok := status[fault.KindOf(err)]
	if !ok {
		code = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(code)
	// A peer that is gone reads nothing.
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(code), "status": code, "detail": fault.PublicOf(err)})
}
