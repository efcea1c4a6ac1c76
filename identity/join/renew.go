package join

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"noroshi/fault"
)

// Renewal is what a node posts to the hub's /renew, over a connection that shows
// its present certificate.
type Renewal struct {
	CSR  string `json:"csr"` // PEM
	Peer string `json:"-"`   // from where it came, as the hub saw it
}

// Renew gets a certificate for a new key, keeps both in place of what was there,
// and uses them from then on. When it fails, or the program ends anywhere in
// between, the present certificate stays what it is: the hub takes it until the
// new one has been seen.
func (c *Credentials) Renew(ctx context.Context) error {
	const op = "join.renew"
	host, _, err := net.SplitHostPort(c.Enrol)
	if err != nil {
		return fault.New(fault.Invalid, op, "this identity does not say where it is renewed; join again with a new token before %s", c.Leaf().NotAfter.Format(time.DateOnly))
	}
	key, csr, err := newKey(c.Name)
	if err != nil {
		return err
	}
	e := new(Enrolment)
	client := &http.Client{Timeout: timeout, Transport: &http.Transport{TLSClientConfig: c.tls(host), DisableKeepAlives: true}, CheckRedirect: stay}
	if err := post(ctx, client, "https://"+c.Enrol+"/renew", Renewal{CSR: csr}, e); err != nil {
		return err
	}
	mine := kept{Enrolment: *e, Key: key}
	next, err := credentials(mine, c.dir)
	if err == nil {
		err = c.same(next)
	}
	if err != nil {
		return fault.As(fault.Invalid, op, err, "the hub's answer cannot be used")
	}
	if err := keep(c.dir, mine); err != nil {
		return err
	}
	c.cert.Store(next.cert.Load())
	return nil
}

// same makes sure that a renewed identity is this one.
func (c *Credentials) same(next *Credentials) error {
	switch {
	case next.Node != c.Node || next.Org != c.Org || next.Role != c.Role:
		return errors.New("the answer is for another node")
	case subtle.ConstantTimeCompare([]byte(SPKI(next.ca)), []byte(SPKI(c.ca))) != 1:
		return errors.New("the answer names another authority")
	}
	return nil
}

// RenewDeps is what renewing by itself needs.
type RenewDeps struct {
	Now func() time.Time
	// Wait returns after a time, or when ctx ends.
	Wait func(ctx context.Context, d time.Duration)
	// Jitter is a random number in [0, 1): many nodes that joined together must
	// not all come back together.
	Jitter func() float64
	// Renewed is called when a new certificate is there, to show it to the hub.
	Renewed func()
	Log     *slog.Logger
}

// KeepRenewed renews the certificate whenever two thirds of its life are over,
// and again and again until that works, until ctx ends. Problem tells meanwhile
// that it does not.
func (c *Credentials) KeepRenewed(ctx context.Context, d RenewDeps) error {
	late, tries := d.Jitter(), 0
	for ctx.Err() == nil {
		life := c.Leaf().NotAfter.Sub(c.Leaf().NotBefore)
		due := c.Leaf().NotBefore.Add(life*2/3 + time.Duration(late*float64(life)/12))
		if wait := due.Sub(d.Now()); wait > 0 {
			// Not in one piece: the clock may be set, or the machine sleep, meanwhile.
			d.Wait(ctx, min(wait, time.Hour))
			continue
		}
		err := c.Renew(ctx)
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			late, tries = d.Jitter(), 0
			c.renewal.Store(nil)
			d.Log.Info("certificate renewed", "role", c.Role, "org", c.Org, "node", c.Node, "until", c.Leaf().NotAfter)
			d.Renewed()
			continue
		}
		why := fault.PublicOf(err)
		c.renewal.Store(&why)
		d.Log.Warn("the certificate cannot be renewed; trying again", "role", c.Role, "org", c.Org, "node", c.Node, "until", c.Leaf().NotAfter, "why", why, "err", err)
		d.Wait(ctx, pause(life, tries, d.Jitter()))
		tries++
	}
	return nil
}

// pause is how long to wait after a number of tries that failed: twice as long
// each time, at most an hour, and never so long that a short life passes over it.
func pause(life time.Duration, tries int, jitter float64) time.Duration {
	p := min(time.Minute, life/200) << min(tries, 10)
	p = min(p, time.Hour, life/30)
	return p/2 + time.Duration(jitter*float64(p))
}

// Problem says in a sentence that the certificate could not be renewed when it
// was time, and why; "" when all is well.
func (c *Credentials) Problem() string {
	why := c.renewal.Load()
	if why == nil {
		return ""
	}
	return "the certificate ends on " + c.Leaf().NotAfter.UTC().Format(time.DateTime) + " UTC and cannot be renewed: " + *why
}
