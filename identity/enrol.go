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

// EnrolHandler answers POST /enrol. It is served over TLS to whoever asks: the
// token is the proof.
func EnrolHandler(n *Nodes, log *slog.Logger) http.Handler {
	busy := make(chan struct{}, enrolAtOnce)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /enrol", func(w http.ResponseWriter, r *http.Request) {
		select {
		case busy <- struct{}{}:
			defer func() { <-busy }()
		default:
			w.Header().Set("Retry-After", "1")
			problem(w, fault.New(fault.Unavailable, "identity.enrol", "many nodes are joining; try again in a second"))
			return
		}
		in, err := readRequest(w, r)
		if err != nil {
			problem(w, err)
			return
		}
		e, err := n.Redeem(r.Context(), in)
		if err != nil {
			log.Warn("enrolment refused", "role", "hub", "peer", r.RemoteAddr, "err", err)
			problem(w, err)
			return
		}
		log.Info("node joined", "role", "hub", "org", e.Org, "node", e.Node, "name", e.Name, "as", e.Role)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(e) // A node that is gone joins again with a new token.
	})
	return mux
}

func readRequest(w http.ResponseWriter, r *http.Request) (in join.Request, err error) {
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
	fault.Invalid: http.StatusBadRequest, fault.TooLarge: http.StatusRequestEntityTooLarge,
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
