// Package operator asks a platform that runs on this machine, through the
// operator's socket in its data folder. Whoever may open the socket is the
// administrator. The command line and the benchmarks use it; it knows the shapes
// of no operation.
package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"time"

	"noroshi/fault"
)

// Client asks one platform.
type Client struct{ client *http.Client }

// Dial names the socket; it is opened by each question.
func Dial(socket string) Client {
	return Client{&http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
			if err != nil {
				return nil, fault.As(fault.Unavailable, "operator.dial", err, "no platform runs here: %s does not answer; start one with 'noroshi up', or say --data", socket)
			}
			return c, nil
		}}}}
}

// Get asks one operation that changes nothing; a *[]byte takes the answer as it
// is.
func (r Client) Get(ctx context.Context, path string, out any) error {
	return r.do(ctx, http.MethodGet, path, nil, out)
}

// Post sends in and reads out; both may be nil.
func (r Client) Post(ctx context.Context, path string, in, out any) error {
	return r.do(ctx, http.MethodPost, path, in, out)
}

// ErrorTrailer is the trailer of a stream that went wrong on the way.
const ErrorTrailer = "Noroshi-Error"

// Stream sends in and copies the answer, however long it is, to w.
func (r Client) Stream(ctx context.Context, path string, in any, w io.Writer) error {
	const op = "operator.stream"
	b, err := json.Marshal(in)
	if err != nil {
		return fault.Wrap(op, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://noroshi"+path, bytes.NewReader(b))
	if err != nil {
		return fault.Wrap(op, err)
	}
	patient := http.Client{Transport: r.client.Transport} // It may take hours.
	resp, err := patient.Do(req)
	if err != nil {
		return fault.Wrap(op, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // The status says the rest.
		return fault.New(kinds[resp.StatusCode], op, "%s", bytes.TrimSpace(said))
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fault.As(fault.Unavailable, op, err, "the answer was cut off, or cannot be kept: %v", err)
	}
	if said := resp.Trailer.Get(ErrorTrailer); said != "" {
		return fault.New(fault.Unavailable, op, "%s", said)
	}
	return nil
}

const maxAnswer = 64 << 20

func (r Client) do(ctx context.Context, method, path string, in, out any) error {
	const op = "operator.ask"
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fault.Wrap(op, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://noroshi"+path, body)
	if err != nil {
		return fault.Wrap(op, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return fault.Wrap(op, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fault.Wrap(op, err)
	}
	if resp.StatusCode >= 300 {
		var p struct {
			Detail string
			Errors []struct{ Message, Location string }
		}
		_ = json.Unmarshal(b, &p) // An answer that is no problem has no detail.
		for _, e := range p.Errors {
			p.Detail += "; " + e.Location + ": " + e.Message
		}
		return fault.New(kinds[resp.StatusCode], op, "%s", p.Detail)
	}
	if out == nil {
		return nil
	}
	if raw, ok := out.(*[]byte); ok {
		*raw = b
		return nil
	}
	return fault.Wrap(op, json.Unmarshal(b, out))
}

var kinds = map[int]fault.Kind{400: fault.Invalid, 401: fault.Unauthenticated, 403: fault.Denied, 404: fault.NotFound, 409: fault.Conflict,
	413: fault.TooLarge, 422: fault.Invalid, 429: fault.Exhausted, 503: fault.Unavailable}
