package remediation

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"noroshi/action"
	"noroshi/ident"
	"noroshi/label"
	"noroshi/ledger"
)

// row is an action with what only the ledger needs.
type row struct {
	action.Action
	origin   ident.ID
	opened   time.Time // since when it is there this time
	stateAt  time.Time // since when it is in its state
	remind   time.Time // the next reminder; zero for none
	silentAt time.Time // the last silence that counted
	digest   int64
	tab      string // as it is in the ledger
}

// tabOf is the state as the ledger lists it, apart by realm.
func tabOf(s action.State, r label.Realm) string {
	if r == label.Exercise {
		return "x-" + string(s)
	}
	return string(s)
}

// facet folds what lists are filtered by into one number below facets.
func facet(source action.Source, level action.Level, kev, owned bool) int {
	f := max(0, slices.Index(action.Sources, source))
	f = f*len(action.Levels) + max(0, level.Rank()-1)
	return f*4 + 2*ledger.Bit(kev) + ledger.Bit(owned)
}

// ownedOf tells from a facet whether the owner is known.
func ownedOf(facet int) bool { return facet&1 == 1 }

// until is the end of what holds for a while only.
func (a *row) until() time.Time {
	switch {
	case a.State == action.Excepted && a.Exception != nil:
		return a.Exception.Until
	case a.State == action.Refuted:
		return a.RefutedUntil
	}
	return time.Time{}
}

// waits tells that an exception was asked for and nobody has decided.
func (a *row) waits() bool {
	return a.Exception != nil && a.Exception.Approver == "" && a.State.Live()
}

// hash is a short name for a text.
func hash(parts ...string) int64 {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return int64(binary.BigEndian.Uint64(h[:8]))
}

// digest tells whether what was seen is the same, whenever it was seen.
func digest(w action.Weakness) int64 {
	w.Evidence = slices.Clone(w.Evidence)
	for i := range w.Evidence {
		w.Evidence[i].At, w.Evidence[i].By = time.Time{}, ""
	}
	return hash(ledger.JSON(w))
}

func topicText(w *action.Weakness) string {
	return strings.ToLower(strings.Join([]string{w.Name, w.Title, w.TitleJA, w.Check}, "\n"))
}

const columns = `id, org, origin, realm, fingerprint, source, check_made, asset, place, tab, facet, priority, due, first_seen, last_seen, last_looked, opened,
	ended, reopened, state_at, until, remind, silent, silent_at, digest, asked, topic, asset_key, asset_name, version, body`

const nColumns = 31

func (a *row) values() []any {
	w := &a.Weakness
	a.tab = tabOf(a.State, a.Realm)
	return []any{string(a.ID), string(a.Org), string(a.origin), a.Realm.String(), a.Fingerprint, string(a.Source), w.Check, w.Asset.Key, w.Place,
		a.tab, facet(a.Source, w.Level, w.Threat.KEV, a.OwnerKnown), a.Priority, ledger.Micros(a.Due), ledger.Micros(a.FirstSeen), ledger.Micros(a.LastSeen),
		ledger.Micros(a.LastLooked), ledger.Micros(a.opened), ledger.Micros(a.Ended), a.Reopened, ledger.Micros(a.stateAt), ledger.Micros(a.until()), ledger.Micros(a.remind),
		a.Silent, ledger.Micros(a.silentAt), a.digest, ledger.Bit(a.waits()), hash(topicText(w)), strings.ToLower(w.Asset.Key), strings.ToLower(w.Asset.Name), a.Version, ledger.JSON(a.Action)}
}

const selectRow = `SELECT body, origin, tab, last_seen, last_looked, opened, state_at, remind, silent, silent_at, digest FROM action`

func scan(into func(...any) error) (*row, error) {
	a := &row{}
	var body string
	var seen, looked, opened, stateAt, remind, silentAt int64
	var silent int
	if err := into(&body, &a.origin, &a.tab, &seen, &looked, &opened, &stateAt, &remind, &silent, &silentAt, &a.digest); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(body), &a.Action); err != nil {
		return nil, err
	}
	a.LastSeen, a.LastLooked, a.Silent = ledger.Time(seen), ledger.Time(looked), silent
	a.opened, a.stateAt, a.remind, a.silentAt = ledger.Time(opened), ledger.Time(stateAt), ledger.Time(remind), ledger.Time(silentAt)
	return a, nil
}

func readRows(ctx context.Context, q ledger.Queryer, where string, args ...any) (list []*row, err error) {
	rows, err := q.Query(ctx, selectRow+" WHERE "+where, args...)
	err = ledger.Each(rows, err, func(sc func(...any) error) error {
		a, err := scan(sc)
		list = append(list, a)
		return err
	})
	return list, err
}

// batch is how many rows one statement writes.
const batch = 25

var insertSome = func() map[int]string {
	one := "(" + strings.Repeat("?,", nColumns-1) + "?)"
	m := map[int]string{}
	for n := 1; n <= batch; n++ {
		m[n] = `INSERT INTO action (` + columns + `) VALUES ` + strings.Repeat(one+",", n-1) + one
	}
	return m
}()

// insert writes new actions.
func insert(ctx context.Context, tx *ledger.Tx, list []*row, c ledger.Tally) error {
	for part := range slices.Chunk(list, batch) {
		args := make([]any, 0, len(part)*nColumns)
		for _, a := range part {
			args = append(args, a.values()...)
			c.Add(a.Org, a.tab, 1)
		}
		if _, err := tx.Exec(ctx, insertSome[len(part)], args...); err != nil {
			return err
		}
	}
	return topics(ctx, tx, list)
}

// topics notes what actions are about.
func topics(ctx context.Context, tx *ledger.Tx, list []*row) error {
	known := map[int64]bool{}
	for _, a := range list {
		text := topicText(&a.Weakness)
		id := hash(text)
		if known[id] {
			continue
		}
		known[id] = true
		if _, err := tx.Exec(ctx, `INSERT INTO action_topic (id, search) VALUES (?,?) ON CONFLICT (id) DO NOTHING`, id, text); err != nil {
			return err
		}
	}
	return nil
}

var updateAll = func() string {
	var set []string
	for c := range strings.SplitSeq(columns, ",") {
		if c = strings.TrimSpace(c); c != "id" {
			set = append(set, c+" = ?")
		}
	}
	return `UPDATE action SET ` + strings.Join(set, ", ") + ` WHERE id = ?`
}()

// save writes a changed action; was is whose it was before.
func save(ctx context.Context, tx *ledger.Tx, a *row, was ident.ID, c ledger.Tally) error {
	c.Add(was, a.tab, -1)
	v := a.values()
	c.Add(a.Org, a.tab, 1)
	if err := ledger.Changed(tx.Exec(ctx, updateAll, append(v[1:], v[0])...)); err != nil {
		return err
	}
	return topics(ctx, tx, []*row{a})
}
