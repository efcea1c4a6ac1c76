package systems

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"noroshi/access"
	"noroshi/fault"
)

// Source is an address from which a feed is downloaded.
type Source struct {
	Name string
	URL  string
}

// fetchEvery is how often feeds are downloaded, and fetchTime how long one may
// take.
const (
	fetchEvery = 6 * time.Hour
	fetchTime  = 15 * time.Minute
	maxHops    = 5
)

// Fetch downloads feeds until ctx ends.
func (x *Systems) Fetch(ctx context.Context, list []Source) error {
	tick := time.NewTicker(fetchEvery)
	defer tick.Stop()
	for {
		for _, s := range list {
			f, err := x.fetch(ctx, s, nil)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				x.d.Log.Error("a feed of advisories cannot be downloaded; the one that is believed stays", "role", "hub", "feed", s.Name, "why", fault.PublicOf(err))
			case f.Waiting != nil:
				x.d.Log.Warn("a feed of advisories is not believed until a person accepts it", "role", "hub", "feed", f.Name, "why", f.Why)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (x *Systems) fetch(ctx context.Context, s Source, trust *tls.Config) (Feed, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	content, err := download(ctx, s.URL, trust)
	if err != nil {
		return Feed{}, err
	}
	return x.Load(ctx, access.Hub(x.d.Tree(), "advisories"), s.Name, s.URL, content)
}

// download gets a file, from servers that the machine's authorities vouch for, or
// those of trust. The host that was configured may be an inside one, such as
// a mirror; what it leads to may not.
func download(ctx context.Context, address string, trust *tls.Config) ([]byte, error) {
	const op = "systems.download"
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fault.New(fault.Invalid, op, "%.200q is no https address", address)
	}
	outside := net.Dialer{Timeout: 30 * time.Second, Control: func(_, to string, _ syscall.RawConn) error { return global(to) }}
	inside := net.Dialer{Timeout: outside.Timeout}
	client := http.Client{
		Transport: &http.Transport{TLSClientConfig: trust, TLSHandshakeTimeout: 30 * time.Second, ResponseHeaderTimeout: time.Minute, DisableKeepAlives: true, ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
				if to == net.JoinHostPort(u.Hostname(), portOf(u)) {
					return inside.DialContext(ctx, network, to)
				}
				return outside.DialContext(ctx, network, to)
			}},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if r.URL.Scheme != "https" || len(via) > maxHops {
				return errors.New("it leads away from https, or in a circle")
			}
			return nil
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fault.As(fault.Unavailable, op, err, "%v", err)
	}
	defer func() { _ = resp.Body.Close() }() // It was only read.
	if resp.StatusCode != http.StatusOK {
		return nil, fault.New(fault.Unavailable, op, "%s answers %s", u.Host, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, MaxFeed+1))
	if err != nil {
		return nil, fault.As(fault.Unavailable, op, err, "it was cut off: %v", err)
	}
	return b, nil
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return "443"
}

// global refuses addresses that are not of the Internet.
func global(to string) error {
	a, err := netip.ParseAddrPort(to)
	if err != nil {
		return err
	}
	if ip := a.Addr().Unmap(); !ip.IsGlobalUnicast() || ip.IsPrivate() || shared.Contains(ip) {
		return errors.New("it leads to the inside address " + ip.String())
	}
	return nil
}

// shared is between a provider and its customers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")
