package push

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/share/set"
)

// maxRows is how many rows one statement writes or asks for: both engines bound
// its arguments.
const maxRows = 500

// many writes rows with as few statements as possible.
func many(ctx context.Context, tx *ledger.Tx, head, tail string, rows [][]any) error {
	for len(rows) > 0 {
		n := min(len(rows), maxRows)
		row := "(" + strings.Repeat("?,", len(rows[0])-1) + "?)"
		var args []any
		for _, r := range rows[:n] {
			args = append(args, r...)
		}
		if _, err := tx.Exec(ctx, head+strings.Repeat(row+",", n-1)+row+tail, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func place(feed string, seq uint64) string { return feed + " " + strconv.FormatUint(seq, 10) }

// digests reads what the feeds' digests were where the edges say they are. An
// entry never changes, so that no transaction needs to hold it.
func digests(ctx context.Context, q ledger.Queryer, batch []arrival) (map[string]string, error) {
	out := map[string]string{}
	for _, a := range batch {
		key := place(a.Feed, a.Seq)
		if _, ok := out[key]; ok {
			continue
		}
		d, err := digestAt(ctx, q, a.Feed, a.Seq)
		if err != nil {
			return nil, err
		}
		out[key] = d
	}
	return out, nil
}

// digestAt is the digest of a feed after a sequence, "" when there is none such.
func digestAt(ctx context.Context, q ledger.Queryer, feed string, seq uint64) (string, error) {
	if seq == 0 {
		return new(set.Digest).Sum(), nil
	}
	var d string
	err := q.QueryRow(ctx, `SELECT digest FROM feed_entry WHERE feed = ? AND seq = ?`, feed, int64(seq)).Scan(&d)
	if ledger.NoRows(err) {
		return "", nil
	}
	return d, err
}

// stands reads how the edges of a batch stand.
func stands(ctx context.Context, q ledger.Queryer, batch []arrival) (map[ackKey]stand, error) {
	nodes := map[string][]ident.ID{}
	seen := map[ackKey]bool{}
	for _, a := range batch {
		if k := (ackKey{a.node, a.Feed}); !seen[k] {
			seen[k] = true
			nodes[a.Feed] = append(nodes[a.Feed], a.node)
		}
	}
	out := map[ackKey]stand{}
	for feed, list := range nodes {
		for len(list) > 0 {
			n := min(len(list), maxRows)
			in, args := ledger.In(list[:n])
			rows, err := q.Query(ctx, `SELECT node, seq, diverged FROM edge_ack WHERE feed = ? AND node IN `+in, append([]any{feed}, args...)...)
			err = ledger.Each(rows, err, func(scan func(...any) error) error {
				var node string
				var seq int64
				var diverged int
				err := scan(&node, &seq, &diverged)
				out[ackKey{ident.ID(node), feed}] = stand{uint64(seq), diverged == 1}
				return err
			})
			if err != nil {
				return nil, err
			}
			list = list[n:]
		}
	}
	return out, nil
}

// joined tells when the edges joined, if one of them was never heard before.
func (p *Push) joined(batch []arrival, before map[ackKey]stand) map[ident.ID]time.Time {
	out := map[ident.ID]time.Time{}
	if !slices.ContainsFunc(batch, func(a arrival) bool { _, ok := before[ackKey{a.node, a.Feed}]; return !ok }) {
		return out
	}
	for _, e := range p.d.Edges() {
		out[e.Node] = e.Joined
	}
	return out
}

// begin says where those begin whose first word this is: what was pushed before
// an edge joined it was late for nothing, what was pushed since it was to have.
func begin(ctx context.Context, tx *ledger.Tx, batch []arrival, before map[ackKey]stand, joined map[ident.ID]time.Time) error {
	for _, a := range batch {
		key := ackKey{a.node, a.Feed}
		if _, ok := before[key]; ok {
			continue
		}
		at, ok := joined[a.node]
		if !ok { // It is no edge any more.
			before[key] = stand{seq: a.Seq}
			continue
		}
		var seq int64
		err := tx.QueryRow(ctx, `SELECT seq FROM feed_entry WHERE feed = ? AND durable > 0 AND durable <= ? ORDER BY seq DESC LIMIT 1`,
			a.Feed, ledger.Micros(at)).Scan(&seq)
		if err != nil && !ledger.NoRows(err) {
			return err
		}
		before[key] = stand{seq: uint64(seq)}
	}
	return nil
}

// clocks gathers the slowest edge of each organisation for each step of a feed.
type clocks map[clockKey]slowest

type clockKey struct {
	feed       string
	after, seq uint64
	org        ident.ID
}

type slowest struct{ received, enforced, acked int64 } // microseconds

func (s slowest) with(x slowest) slowest {
	return slowest{max(s.received, x.received), max(s.enforced, x.enforced), max(s.acked, x.acked)}
}

func (c clocks) add(a arrival, after uint64) {
	k := clockKey{a.Feed, after, a.Seq, a.org}
	c[k] = c[k].with(slowest{ledger.Micros(a.Received), ledger.Micros(a.Enforced), ledger.Micros(a.at)})
}

// clockOpen is how long after its push an entry's clock may still be moved on.
// An edge that comes back later was away: that is said of the edge, not of the
// push.
const clockOpen = time.Hour

// write moves the clocks of the entries that lie within each step.
func (c clocks) write(ctx context.Context, tx *ledger.Tx, now time.Time) error {
	type entry struct {
		feed, org string
		seq       int64
	}
	all := map[entry]slowest{}
	covered := map[clockKey][]int64{} // without organisation
	for k, s := range c {
		step := clockKey{feed: k.feed, after: k.after, seq: k.seq}
		seqs, ok := covered[step]
		if !ok {
			rows, err := tx.Query(ctx, `SELECT seq FROM feed_entry WHERE feed = ? AND seq > ? AND seq <= ? AND (durable = 0 OR durable > ?)`,
				k.feed, int64(k.after), int64(k.seq), ledger.Micros(now.Add(-clockOpen)))
			err = ledger.Each(rows, err, func(scan func(...any) error) error {
				var seq int64
				err := scan(&seq)
				seqs = append(seqs, seq)
				return err
			})
			if err != nil {
				return err
			}
			covered[step] = seqs
		}
		for _, seq := range seqs {
			e := entry{k.feed, string(k.org), seq}
			all[e] = all[e].with(s)
		}
	}
	var rows [][]any
	for e, s := range all {
		rows = append(rows, []any{e.feed, e.seq, e.org, s.received, s.enforced, s.acked})
	}
	return many(ctx, tx, `INSERT INTO feed_clock (feed, seq, org, received, enforced, acked) VALUES `, ` ON CONFLICT (feed, seq, org) DO UPDATE SET
		received = CASE WHEN excluded.received > feed_clock.received THEN excluded.received ELSE feed_clock.received END,
		enforced = CASE WHEN excluded.enforced > feed_clock.enforced THEN excluded.enforced ELSE feed_clock.enforced END,
		acked = CASE WHEN excluded.acked > feed_clock.acked THEN excluded.acked ELSE feed_clock.acked END`, rows)
}
