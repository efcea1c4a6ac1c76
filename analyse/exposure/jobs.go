package exposure

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"noroshi/access"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
)

// The states of a run. What is handed in and not yet with those who keep actions
// is told to them again, until they have it.
const (
	Running  = "running"
	handedIn = "handed_in"
	Done     = "done"
	Ended    = "ended" // before it was done
)

// ScanRun is one scan by a scope, or one look whether something was mended.
type ScanRun struct {
	ID      ident.ID        `json:"id"`
	Scope   ident.ID        `json:"scope"`
	Org     ident.ID        `json:"org"`
	State   string          `json:"state"`
	By      string          `json:"by"`                      // the scanner that has it, or had it last
	Devices ident.ID        `json:"device_survey,omitempty"` // of a survey of devices: under which it is told
	Only    []string        `json:"only,omitempty"`          // of a re-check: what it looks at, as 192.0.2.1:443 or 192.0.2.1:53/udp
	Digest  string          `json:"digest"`                  // of the text that it was begun by
	Began   time.Time       `json:"began"`
	Ended   time.Time       `json:"ended,omitzero"`
	Why     string          `json:"why,omitempty"` // it ended: done, or the scanner's reason
	Summary json.RawMessage `json:"summary,omitempty"`
	Open    int             `json:"open"`
	Changes int             `json:"changes"`
	Weak    int             `json:"weaknesses"`
	Prints  bool            `json:"fingerprints"` // it knew products by fingerprints
	// Probes are those that its scanners have sent to the owner, and that the one
	// which has it may send; Before are those of the leases that are over.
	Probes int64 `json:"probes"`
	Before int64 `json:"probes_before,omitempty"`
}

// ScanJob is a run that a scanner is to make, or to go on with.
type ScanJob struct {
	Run  ident.ID `json:"run"`
	Org  ident.ID `json:"org"`
	Only []string `json:"only,omitempty"`
	// Names are those by which addresses of the run are known: the certificates for
	// them are asked for.
	Names map[netip.Addr][]string `json:"names,omitempty"`
	// About is where everybody can read who scans; it is said to web servers.
	About string `json:"about,omitempty"`
}

// lease is how long a run belongs to a scanner that says nothing. One scanner has
// a scope at a time, so that what a scope allows is not sent twice.
const lease = time.Minute

const (
	maxOnly   = 256 // places of one re-check
	maxRunner = 100 // bytes of a scanner's name
)

// Next gives a scanner what is due: first what it or another left unfinished,
// then what people want to be looked at again, then whole scans. Nothing due is NotFound.
func (st *Store) Next(ctx context.Context, s access.Scope, by string) (job ScanJob, err error) {
	const op = "exposure.next"
	if by == "" || len(by) > maxRunner {
		return job, fault.New(fault.Invalid, op, "a scanner says its name, in at most %d bytes", maxRunner)
	}
	if err := st.finish(ctx, s); err != nil { // What one run saw keeps no other from being made.
		st.d.Log.Error("what scans have handed in cannot be taken in; it is tried again", "role", "hub", "err", err)
	}
	wishes, err := st.d.Actions.Recheck(ctx)
	if err != nil {
		return job, fault.Wrap(op, err)
	}
	var run ScanRun
	err = st.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) (err error) {
		var ok bool
		if run, ok, err = st.unfinished(ctx, tx, s, by); err != nil || ok {
			return err
		}
		run, err = st.fresh(ctx, tx, s, by, wishes)
		return err
	})
	if err != nil {
		return job, fault.Wrap(op, err)
	}
	if run.ID == "" {
		return job, fault.New(fault.NotFound, op, "nothing is due")
	}
	st.OnChange(run.ID, run.Org)
	job = ScanJob{Run: run.ID, Org: run.Org, Only: run.Only, About: st.d.About}
	job.Names, err = st.names(ctx, s, run)
	return job, fault.Wrap(op, err)
}

// The bounds of the names that a scanner is told.
const (
	maxNamed = 20_000 // addresses
	maxNames = 8      // of one
)

// names are those of the addresses that a run may meet.
func (st *Store) names(ctx context.Context, s access.Scope, r ScanRun) (map[netip.Addr][]string, error) {
	var c Scope
	if err := st.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		c, err = st.scopeOf(ctx, q, s, r.Scope)
		return err
	}); err != nil {
		return nil, err
	}
	all, err := st.d.Names.Names(ctx, r.Org)
	names := map[netip.Addr][]string{}
	for a, list := range all {
		if c.Terms.holds(a) && len(names) < maxNamed {
			names[a] = list[:min(len(list), maxNames)]
		}
	}
	return names, err
}

// unfinished finds a run that nobody holds and that may go on, ends those that
// may not, and leases it.
func (st *Store) unfinished(ctx context.Context, tx *ledger.Tx, s access.Scope, by string) (ScanRun, bool, error) {
	now := st.now()
	in, args := ledger.In(s.Orgs())
	list, err := runs(ctx, tx, `state = 'running' AND (lease_until < ? OR lease_by = ?) AND org IN `+in+` ORDER BY began LIMIT 100`, append([]any{ledger.Micros(now), by}, args...)...)
	if err != nil {
		return ScanRun{}, false, err
	}
	busy, err := st.busy(ctx, tx, by)
	if err != nil {
		return ScanRun{}, false, err
	}
	for _, r := range list {
		c, err := st.scopeOf(ctx, tx, s, r.Scope)
		if err != nil {
			return r, false, err
		}
		if c.State != InForce {
			r.State, r.Why, r.Ended = handedIn, string(c.State), now
			if err := putRun(ctx, tx, r, "", 0); err != nil {
				return r, false, err
			}
			continue
		}
		if st.d.Texts.Open([]byte(c.Text), now) && !busy.meets(c) {
			r.By, r.Before = by, r.Probes
			return r, true, putRun(ctx, tx, r, by, ledger.Micros(now.Add(lease)))
		}
	}
	return ScanRun{}, false, nil
}

// fresh begins a run of a scope that has none: a re-check of what is wished, or
// a whole scan that is due. Without either the run has no identifier.
func (st *Store) fresh(ctx context.Context, tx *ledger.Tx, s access.Scope, by string, wishes []Wish) (ScanRun, error) {
	now := st.now()
	in, args := ledger.In(s.Orgs())
	busy, err := st.busy(ctx, tx, by)
	if err != nil {
		return ScanRun{}, err
	}
	var list []Scope
	rows, err := tx.Query(ctx, `SELECT body FROM scan_scope WHERE state = 'in_force' AND valid_until > ? AND org IN `+in+
		` AND id NOT IN (SELECT scope FROM scan_run WHERE state = 'running') ORDER BY due, id`, append([]any{ledger.Micros(now)}, args...)...)
	if err := ledger.Each(rows, err, func(scan func(...any) error) error {
		x, err := st.scanScope(scan)
		if err == nil && st.d.Texts.Open([]byte(x.Text), now) && !busy.meets(x) {
			list = append(list, x)
		}
		return err
	}); err != nil {
		return ScanRun{}, err
	}
	asked := map[string]time.Time{}
	lately, err := runs(ctx, tx, `began > ? ORDER BY began`, ledger.Micros(now.Add(-patience)))
	if err != nil {
		return ScanRun{}, err
	}
	for _, r := range lately {
		for _, to := range r.Only {
			asked[to] = r.Began
		}
	}
	optedOut, err := granted(ctx, tx)
	if err != nil {
		return ScanRun{}, err
	}
	for _, c := range list {
		if only := st.wished(c, optedOut, wishes, asked); len(only) > 0 {
			return st.begin(ctx, tx, c, by, only)
		}
	}
	for _, c := range list {
		if !c.Due.After(now) {
			c.Due = now.Add(st.d.Every)
			if err := save(ctx, tx, &c); err != nil {
				return ScanRun{}, err
			}
			return st.begin(ctx, tx, c, by, nil)
		}
	}
	return ScanRun{}, nil
}

func (st *Store) begin(ctx context.Context, tx *ledger.Tx, c Scope, by string, only []string) (ScanRun, error) {
	now := st.now()
	r := ScanRun{ID: st.d.Ident.New(ident.Scan), Scope: c.ID, Org: c.Org, State: Running, By: by, Only: only, Digest: c.Terms.Digest, Began: now}
	if c.Terms.ofDevices() {
		r.Devices = st.d.Ident.New(ident.Survey)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO scan_run (id, org, scope, state, began, lease_by, lease_until, body) VALUES (?,?,?,?,?,?,?,?)`,
		r.ID, r.Org, r.Scope, r.State, ledger.Micros(now), by, ledger.Micros(now.Add(lease)), ledger.JSON(r)); err != nil {
		return r, err
	}
	return r, tx.Record(ctx, "scan", r.ID, r.Org, "began", r)
}

// patience is for how long a place that was looked at again is left alone, unless
// somebody asked since: one that does not answer would be asked without end.
const patience = 5 * time.Minute

func (t Terms) holds(a netip.Addr) bool {
	has := func(p netip.Prefix) bool { return p.Contains(a) }
	return slices.ContainsFunc(t.Ranges, has) && !slices.ContainsFunc(t.Excluded, has)
}

// Text is what a run may go by at this moment. It is the scanner's sign of life,
// too. That there is none any more stops the scanner.
func (st *Store) Text(ctx context.Context, s access.Scope, id ident.ID, by string) (string, error) {
	const op = "exposure.text"
	now := st.now()
	var c Scope
	var until int64
	err := st.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		var r ScanRun
		if r, until, err = st.held(ctx, q, s, id, by); err != nil {
			return err
		}
		c, err = st.scopeOf(ctx, q, s, r.Scope)
		return err
	})
	if err != nil {
		return "", fault.Wrap(op, err)
	}
	if c.State != InForce {
		return "", fault.New(fault.Denied, op, "the scope is %s", c.State)
	}
	if ledger.Time(until).Sub(now) < lease/2 {
		err := st.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE scan_run SET lease_until = ? WHERE id = ? AND lease_by = ?`, ledger.Micros(now.Add(lease)), id, by)
			return err
		})
		if err != nil {
			return "", fault.Wrap(op, err)
		}
	}
	t, err := st.text(ctx, c)
	return string(t.full), err
}

// held reads a run that a scanner says it has.
func (st *Store) held(ctx context.Context, q ledger.Queryer, s access.Scope, id ident.ID, by string) (r ScanRun, until int64, err error) {
	var body, holder string
	err = q.QueryRow(ctx, `SELECT body, lease_by, lease_until FROM scan_run WHERE id = ?`, id).Scan(&body, &holder, &until)
	if err == nil {
		err = json.Unmarshal([]byte(body), &r)
	}
	switch {
	case ledger.NoRows(err) || err == nil && !s.Allows(r.Org):
		return r, 0, fault.New(fault.NotFound, "exposure.run", "there is no such run here")
	case err == nil && (r.State != Running || holder != by):
		return r, 0, fault.New(fault.Conflict, "exposure.run", "the run is not with this scanner any more")
	}
	return r, until, err
}

// text is what a scope allows with everything that is excluded beside it.
type text struct {
	version int64
	optouts string
	tree    any
	full    []byte
}

// text makes it, and remembers it until something of it changes.
func (st *Store) text(ctx context.Context, c Scope) (text, error) {
	const op = "exposure.text"
	var n, last int64
	var optedOut []netip.Prefix
	tree := st.d.Tree()
	st.mu.Lock()
	known := st.texts[c.ID]
	st.mu.Unlock()
	err := st.d.DB.Read(ctx, func(q ledger.Queryer) (err error) {
		if err := q.QueryRow(ctx, `SELECT COUNT(*), COALESCE(MAX(decided), 0) FROM scan_optout WHERE state = 'granted'`).Scan(&n, &last); err != nil {
			return err
		}
		if known.version == c.Version && known.optouts == fmt.Sprint(n, last) && known.tree == any(tree) {
			return nil
		}
		known.full = nil
		optedOut, err = granted(ctx, q)
		return err
	})
	if err != nil || known.full != nil {
		return known, fault.Wrap(op, err)
	}
	not := append(st.foreign(c.Org), optedOut...)
	known = text{version: c.Version, optouts: fmt.Sprint(n, last), tree: tree}
	if known.full, err = st.d.Texts.Exclude([]byte(c.Text), not); err != nil {
		return known, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.texts) > 1000 {
		clear(st.texts)
	}
	st.texts[c.ID] = known
	return known, nil
}

// granted lists the ranges whose holders are not scanned because they asked.
func granted(ctx context.Context, q ledger.Queryer) (list []netip.Prefix, err error) {
	rows, err := q.Query(ctx, `SELECT body FROM scan_optout WHERE state = 'granted'`)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		o, err := scanOptOut(scan)
		list = append(list, o.Prefix)
		return err
	})
	return list, err
}

// narrow is a scope with what its text leaves out when a scanner reads it.
func (st *Store) narrow(c Scope, optedOut []netip.Prefix) Scope {
	c.Terms.Excluded = slices.Clone(c.Terms.Excluded)
	for _, p := range append(st.foreign(c.Org), optedOut...) {
		for _, r := range c.Terms.Ranges {
			if !r.Overlaps(p) {
				continue
			}
			if r.Bits() < p.Bits() {
				r = p // Only what lies within the scope, so that it can be counted.
			}
			if !slices.ContainsFunc(c.Terms.Excluded, func(x netip.Prefix) bool { return x.Bits() <= r.Bits() && x.Overlaps(r) }) {
				c.Terms.Excluded = append(c.Terms.Excluded, r)
			}
		}
	}
	return c
}

func runs(ctx context.Context, q ledger.Queryer, where string, args ...any) (list []ScanRun, err error) {
	rows, err := q.Query(ctx, `SELECT body FROM scan_run WHERE `+where, args...)
	err = ledger.Each(rows, err, func(scan func(...any) error) error {
		r, err := scanRun(scan)
		list = append(list, r)
		return err
	})
	return list, err
}

func scanRun(into func(...any) error) (r ScanRun, err error) {
	var body string
	if err := into(&body); err != nil {
		return r, err
	}
	return r, json.Unmarshal([]byte(body), &r)
}

func putRun(ctx context.Context, tx *ledger.Tx, r ScanRun, by string, until int64) error {
	_, err := tx.Exec(ctx, `UPDATE scan_run SET state = ?, lease_by = ?, lease_until = ?, body = ? WHERE id = ?`, r.State, by, until, ledger.JSON(r), r.ID)
	if err != nil || r.State == Running {
		return err
	}
	return tx.Record(ctx, "scan", r.ID, r.Org, r.State, r)
}

// Runs lists runs, the newest first.
func (st *Store) Runs(ctx context.Context, s access.Scope, f Filter) (Page[ScanRun], error) {
	c := choose(s, f, "began", ident.Scan)
	ledger.AnyOf(&c.Where, "state", f.States)
	p, err := pageOf(ctx, st.d.DB, c, `SELECT body FROM scan_run`, scanRun, func(r ScanRun) (time.Time, ident.ID) { return r.Began, r.ID })
	return p, fault.Wrap("exposure.runs", err)
}
