package discover

import (
	"context"
	"net"
	"strings"
	"time"

	wire "github.com/miekg/dns"

	"noroshi/discovery"
)

// Limits of one zone transfer.
const (
	maxZone     = 50_000 // records
	transferFor = time.Minute
)

// transfers asks for the zones whose owner allowed it.
func (w *walker) transfers(ctx context.Context) error {
	for i, d := range w.s.Domains {
		if d.Transfer == "" {
			continue
		}
		if err := w.a.turn(ctx); err != nil {
			return err
		}
		if err := w.transfer(ctx, w.domains[i], d.Transfer); err != nil {
			return err
		}
	}
	return nil
}

// transfer reads one zone. A server that refuses, or speaks of something else,
// costs the walk nothing: it goes on by questions.
func (w *walker) transfer(ctx context.Context, zone, server string) error {
	ctx, stop := context.WithTimeout(ctx, transferFor)
	defer stop()
	c, err := (&net.Dialer{Timeout: timeout}).DialContext(ctx, "tcp", server)
	if err != nil {
		w.note("zone %s: %s cannot be reached", zone, server)
		return nil
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })() // It ends the transfer, whatever the server does.
	t := &wire.Transfer{Conn: &wire.Conn{Conn: c}, ReadTimeout: timeout}
	zones, err := t.In(new(wire.Msg).SetAxfr(wire.Fqdn(zone)), server)
	if err != nil {
		_ = c.Close() // The error says it.
		w.note("zone %s: %s does not transfer it: %v", zone, server, err)
		return nil
	}
	at, n := w.o.Now().UTC(), 0
	var failed error
	for part := range zones {
		switch {
		case failed != nil: // What is on its way is read to its end.
		case part.Error != nil:
			w.note("zone %s: %s does not transfer it: %v", zone, server, part.Error)
		default:
			for _, r := range part.RR {
				if n++; n > maxZone {
					w.note("zone %s: only its first %d records are read", zone, maxZone)
					stop()
					failed = errSkip
					break
				}
				if failed = w.zoneRecord(ctx, zone, server, at, r); failed != nil {
					stop()
					break
				}
			}
		}
	}
	if failed == errSkip {
		return nil
	}
	return failed
}

const errSkip = errLimit("skip")

// zoneRecord takes one record of a transferred zone. What is not of that zone is
// nothing that its owner said.
func (w *walker) zoneRecord(ctx context.Context, zone, server string, at time.Time, r wire.RR) error {
	name, ok := named(r.Header().Name)
	if !ok || !discovery.Within(name, zone) {
		return nil
	}
	said := short(r)
	e := func(k discovery.Kind) discovery.Evidence {
		return discovery.Evidence{Kind: k, Via: name, Asked: "AXFR " + zone, From: server, Said: said, At: at}
	}
	own := e(discovery.Transfer)
	own.Via = zone
	if err := w.name(name, 1, own); err != nil {
		return err
	}
	if _, ok := r.(*wire.TXT); ok && isSPF(strings.Join(r.(*wire.TXT).Txt, "")) {
		return nil // It is asked for and followed like any other.
	}
	return w.record(ctx, step{name, 1}, r, false, e)
}
