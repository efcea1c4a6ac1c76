// Package hunt looks back: it finds the past sightings of an indicator in
// everything that is stored. App calls it for each indicator that becomes
// active, after the live matcher has it, so that no event falls between.
package hunt

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/analyse"
	"noroshi/eventstore"
	"noroshi/fault"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/observable"
)

// MaxHits bounds how many past events of one indicator are looked at; the
// newest count.
const MaxHits = eventstore.MaxLimit

// Query is the LogsQL that finds an observable: the same fields and the same
// meaning as the live matcher's.
func Query(o observable.Observable) (string, error) {
	v := quote(o.Value)
	switch o.Kind {
	case observable.Domain:
		sub := `~` + quote(`(^|[. ])`+quoteRegexp(o.Value)+`\.?( |$)`)
		word := v // A phrase is found by the index; the expression then decides.
		return `("query.hostname":` + word + ` "query.hostname":` + sub + `) or ("answers.rdata":` + word + ` "answers.rdata":` + sub +
			`) or ("dst_endpoint.hostname":` + word + ` "dst_endpoint.hostname":` + sub + `) or (class:=process "process.cmd_line":` + word + `)`, nil
	case observable.IPv4, observable.IPv6:
		return `"dst_endpoint.ip":=` + v + ` or "src_endpoint.ip":=` + v + ` or "answers.rdata":` + v + ` or (class:=process "process.cmd_line":` + v + `)`, nil
	case observable.CIDR:
		p, err := netip.ParsePrefix(o.Value)
		if err != nil {
			return "", fault.As(fault.Invalid, "hunt.query", err, "%q is not a range", o.Value)
		}
		f := `ipv4_range(` + v + `)`
		if p.Addr().Is6() {
			f = `ipv6_range(` + v + `)`
		}
		return `"dst_endpoint.ip":` + f + ` or "src_endpoint.ip":` + f + ` or "answers.rdata":` + f, nil
	case observable.URL:
		return `class:=process "process.cmd_line":` + v, nil
	case observable.MD5, observable.SHA1, observable.SHA256:
		return `"process.file.hashes.` + string(o.Kind) + `":=` + v + ` or (class:=process "process.cmd_line":` + v + `)`, nil
	}
	return "", fault.New(fault.Invalid, "hunt.query", "a %s cannot be looked for", o.Kind)
}

func quote(s string) string { return strconv.Quote(s) }

func quoteRegexp(s string) string { return strings.ReplaceAll(s, ".", `\.`) }

// Hunter looks back in a store.
type Hunter struct{ store eventstore.Store }

// New makes a hunter.
func New(store eventstore.Store) *Hunter { return &Hunter{store} }

// Hunt returns the past sightings by node. The scope says where it may look.
func (h *Hunter) Hunt(ctx context.Context, s access.Scope, ind indicator.Indicator) ([]analyse.Sighting, error) {
	q, err := Query(ind.Observable)
	if err != nil {
		return nil, err
	}
	if err := h.store.Flush(ctx); err != nil {
		return nil, fault.Wrap("hunt.flush", err)
	}
	rows, err := h.store.Search(ctx, s, eventstore.Query{LogsQL: q, Limit: MaxHits})
	if err != nil {
		return nil, fault.Wrap("hunt.search", err)
	}
	var list []analyse.Sighting
	at := map[string]int{}
	for i := len(rows) - 1; i >= 0; i-- { // Oldest first.
		r := rows[i]
		node := r.Fields["metadata.reporter.uid"]
		n, ok := at[node]
		if !ok {
			n = len(list)
			at[node] = n
			list = append(list, analyse.Sighting{Org: ident.ID(r.Fields["metadata.tenant_uid"]), Node: ident.ID(node), Device: device(r.Fields), First: r.Time})
		}
		add(&list[n], r)
	}
	return list, nil
}

func add(s *analyse.Sighting, r eventstore.Record) {
	seq, err := strconv.ParseUint(r.Fields["metadata.sequence"], 10, 64)
	if err != nil {
		return // Every stored event has one; a row without is not of the line.
	}
	s.Seqs = append(s.Seqs, seq)
	s.Last = r.Time
	if r.Time.Before(s.First) {
		s.First = r.Time
	}
	if len(s.Evidence) < finding.MaxEvidence {
		s.Evidence = append(s.Evidence, finding.Evidence{EventUID: r.Fields["metadata.uid"], Time: r.Time.UTC().Truncate(time.Millisecond),
			Tier: r.Fields["metadata.log_provider"], Summary: r.Fields["_msg"], Fields: strip(r.Fields)})
	}
}

func device(f map[string]string) string {
	if d := f["device.hostname"]; d != "" {
		return d
	}
	return f["metadata.reporter.hostname"]
}

// strip leaves the event's own fields.
func strip(f map[string]string) map[string]string {
	out := make(map[string]string, len(f))
	for k, v := range f {
		if !strings.HasPrefix(k, "_") && k != "class" && k != "node" {
			out[k] = v
		}
	}
	return out
}
