package vlhttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"noroshi/eventstore/logsql"
	"noroshi/fault"
)

const (
	// maxWords is how much is read of what the server says beside an answer.
	maxWords = 4 << 10
	// maxMetrics is how much of the server's figures is read.
	maxMetrics = 4 << 20
	// patience is how long a request may take that no reader waits for.
	patience = 30 * time.Second
)

// dial connects so that closing takes back what was not sent yet: the kernel would
// go on sending an append that was given up, and deliver it after a network came
// back, when it was long appended again.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		if err := tcp.SetLinger(0); err != nil {
			_ = c.Close()
			return nil, err
		}
	}
	return c, nil
}

// newClient makes the client of one server. It follows no redirection, so that
// credentials go nowhere else, and takes no proxy from the environment.
func newClient(caFile string) (*http.Client, error) {
	tr := &http.Transport{
		DialContext:         dial,
		MaxIdleConnsPerHost: 16, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: patience, DisableCompression: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fault.As(fault.Invalid, "vlhttp.open", err, "the file %s with the authorities of the event store cannot be read", caFile)
		}
		tr.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !tr.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Invalid, "vlhttp.open", "the file %s holds no certificate in PEM", caFile)
		}
	}
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// request is one thing to ask the server.
type request struct {
	url     string
	form    url.Values // sent as the body: long filters and keys stay out of the URL
	again   bool       // asking twice does no harm
	body    io.Reader  // instead of a form
	headers map[string]string
}

// send returns the body of a good answer; whoever gets it closes it.
func (s *Store) send(ctx context.Context, op string, r request) (io.ReadCloser, error) {
	body := r.body
	if body == nil {
		body = strings.NewReader(r.form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, body)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	if r.body == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if r.again {
		// The transport then asks anew when the connection that it had kept was dead, as
		// it does after a restart of the server. An empty list is not sent.
		req.Header["X-Idempotency-Key"] = nil
	}
	for k, v := range r.headers {
		req.Header.Set(k, v)
	}
	req.Header.Set("AccountID", strconv.FormatUint(uint64(s.cfg.Account), 10))
	req.Header.Set("ProjectID", strconv.FormatUint(uint64(s.cfg.Project), 10))
	if err := s.authorize(req); err != nil {
		return nil, fault.Wrap(op, err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, away(ctx, op, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxWords)) // The status says enough without.
	return nil, refusal(op, resp.StatusCode, string(said))
}

// call sends a request whose answer is short, and returns it.
func (s *Store) call(ctx context.Context, op string, r request, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, err := s.send(ctx, op, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, away(ctx, op, err)
	}
	if int64(len(b)) > limit {
		return nil, fault.New(fault.TooLarge, op, "the event store's answer is larger than %d bytes", limit)
	}
	return b, nil
}

func (s *Store) authorize(req *http.Request) error {
	token, err := s.cfg.Token.read()
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if s.cfg.User != "" {
		password, err := s.cfg.Password.read()
		if err != nil {
			return err
		}
		req.SetBasicAuth(s.cfg.User, password)
	}
	return nil
}

// withKey adds the key of an endpoint that has one of its own.
func withKey(key Secret, form url.Values) (url.Values, error) {
	k, err := key.read()
	if err == nil && k != "" {
		form.Set("authKey", k)
	}
	return form, err
}

// away is the error of a server that does not answer, or of a question that was
// given up. Its words may name the address, which is for the operator.
func away(ctx context.Context, op string, err error) error {
	if ended := logsql.Ended(ctx); ended != nil {
		return fault.Wrap(op, ended)
	}
	return fault.As(fault.Unavailable, op, err, "the event store does not answer")
}

// refusal is the error of an answer that is none. The server repeats the whole
// query with its filters in its words, so these are for the operator.
func refusal(op string, status int, said string) error {
	words := errors.New(strconv.Itoa(status) + ": " + logsql.Clip(strings.TrimSpace(said)))
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault.As(fault.Unavailable, op, words, "the event store does not accept the hub's credentials")
	case http.StatusTooManyRequests:
		return fault.As(fault.Exhausted, op, words, "the event store takes no more: its disk is nearly full")
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		if strings.Contains(said, "cannot execute query") || strings.Contains(said, "cannot parse `query`") {
			return fault.As(fault.Invalid, op, words, "the query cannot be run")
		}
	case http.StatusServiceUnavailable:
		if strings.Contains(said, "couldn't be executed in") {
			return fault.As(fault.Exhausted, op, words, "the query took too long; narrow the span of time or the filter")
		}
	}
	return fault.As(fault.Unavailable, op, words, "the event store cannot do this now")
}
