package drill

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"

	"noroshi/fault"
	"noroshi/ident"
)

// ask sends one A query and returns the answer.
func ask(ctx context.Context, addr, name string) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), dns.TypeA)
	m.SetEdns0(1232, false)
	c := dns.Client{Timeout: 3 * time.Second}
	r, _, err := c.ExchangeContext(ctx, m, addr)
	return r, err
}

// blockedBy returns the text of the Extended DNS Error 15 (Blocked) of an
// answer; ok tells whether there is one with NXDOMAIN.
func blockedBy(m *dns.Msg) (text string, ok bool) {
	if m.Rcode != dns.RcodeNameError {
		return "", false
	}
	if o := m.IsEdns0(); o != nil {
		for _, e := range o.Option {
			if x, is := e.(*dns.EDNS0_EDE); is && x.InfoCode == dns.ExtendedErrorCodeBlocked {
				return x.ExtraText, true
			}
		}
	}
	return "", false
}

// prove asks every resolver itself: an acknowledgement is a claim, an answer is
// a fact. With want it must say blocked by this indicator; without, not.
func (r *run) prove(ctx context.Context, d detail, want bool) error {
	edges := map[ident.ID]bool{}
	for _, e := range d.Deliveries {
		edges[e.Node] = true
	}
	protected := map[ident.ID]bool{}
	for _, n := range r.nodes {
		if n.Role != "resolver" || !edges[n.ID] {
			continue
		}
		m, err := ask(ctx, n.Addr, r.res.Name)
		if err != nil {
			return fault.As(fault.Unavailable, "drill.prove", err, "the resolver %s at %s does not answer", n.Name, n.Addr)
		}
		text, blocked := blockedBy(m)
		switch {
		case want && !blocked:
			return fault.New(fault.Conflict, "drill.prove", "hop enforced: %s acknowledged the block but answers %s without saying that it is blocked", n.Name, dns.RcodeToString[m.Rcode])
		case want && !strings.Contains(text, string(r.res.Indicator)):
			return fault.New(fault.Conflict, "drill.prove", "hop enforced: %s blocks, but for another reason: %s", n.Name, text)
		case !want && blocked:
			return fault.New(fault.Conflict, "drill.prove", "revocation: %s still blocks %s", n.Name, r.res.Name)
		}
		protected[n.Org] = true
		r.res.Edges++
		if want {
			fmt.Fprintf(r.cfg.Out, "  blocked in %-28s %s\n", r.orgs[n.Org].Name, text)
		}
	}
	if !want {
		return nil
	}
	r.res.Organisations = len(protected)
	others := len(protected)
	if protected[r.from.ID] {
		others--
	}
	if others == 0 {
		return fault.New(fault.Unavailable, "drill.prove", "no other organisation has a resolver: nobody was protected")
	}
	return nil
}

// lift revokes the indicator and proves that the block is gone everywhere.
func (r *run) lift(ctx context.Context, d detail) error {
	start := time.Now()
	edges := r.res.Edges
	err := r.api.Post(ctx, "/api/v1/indicators/"+string(d.Indicator.ID)+"/revoke",
		map[string]any{"reason": "the drill is over", "version": d.Indicator.Version}, nil)
	if err != nil {
		return fault.Wrap("drill.lift", err)
	}
	after, err := r.confirmed(ctx, d.Indicator.ID, "revocation: every edge confirms that the block is lifted")
	if err != nil {
		return err
	}
	r.res.LiftedMS = float64(time.Since(start).Microseconds()) / 1000
	if err := r.prove(ctx, after, false); err != nil {
		return err
	}
	r.res.Edges = edges
	fmt.Fprintf(r.cfg.Out, "  lifted        %8.1f ms\nprotected: %d organisations, %d edges\n", r.res.LiftedMS, r.res.Organisations, edges)
	return nil
}
