package notice

import (
	"context"
	"encoding/json"
	"strings"

	"noroshi/fault"
	"noroshi/ledger"
)

const selected = `SELECT body, state, silent_day FROM notice`

func scan(into func(...any) error) (n Notice, err error) {
	var body string
	if err := into(&body, &n.State, &n.silentDay); err != nil {
		return n, err
	}
	state, day := n.State, n.silentDay
	err = json.Unmarshal([]byte(body), &n)
	n.State, n.silentDay = state, day
	return n, err
}

func query(ctx context.Context, q ledger.Queryer, where string, args ...any) (list []Notice, err error) {
	rows, err := q.Query(ctx, selected+where, args...)
	err = ledger.Each(rows, err, func(s func(...any) error) error {
		n, err := scan(s)
		list = append(list, n)
		return err
	})
	return list, err
}

// searchText is what a search looks in, in lower case.
func (n Notice) searchText() string {
	parts := []string{n.Device.Address.String(), n.Device.Maker, n.Device.Name, n.Device.NameJA, n.Device.Kind, n.Device.Firmware}
	for _, w := range n.Weak {
		parts = append(parts, w.Name, w.Title, w.TitleJA)
	}
	return strings.ToLower(strings.Join(parts, "\n"))
}

func insert(ctx context.Context, tx *ledger.Tx, n Notice) error {
	_, err := tx.Exec(ctx, `INSERT INTO notice (id, org, realm, grp, state, address, search, first_seen, last_seen, last_looked, silent_day, made_at, sent_at, handed_at, checked_at, ended_at, proof, version, body)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, n.ID, n.Org, n.Realm.String(), string(n.Group), string(n.State), n.Device.Address.String(), n.searchText(),
		ledger.Micros(n.FirstSeen), ledger.Micros(n.LastSeen), ledger.Micros(n.LastLooked), n.silentDay, ledger.Micros(n.MadeAt), ledger.Micros(n.SentAt), ledger.Micros(n.HandedAt),
		ledger.Micros(n.CheckedAt), ledger.Micros(n.EndedAt), n.Proof, n.Version, ledger.JSON(n))
	if err != nil {
		return err
	}
	return tx.Record(ctx, "notice", n.ID, n.Org, "made", map[string]any{"group": n.Group, "device": n.Device.Name, "survey": n.Survey})
}

// update writes a notice; event, when it is something that people want to find in
// its history, says what happened.
func update(ctx context.Context, tx *ledger.Tx, n Notice, event string) error {
	err := ledger.Changed(tx.Exec(ctx, `UPDATE notice SET state = ?, search = ?, last_seen = ?, last_looked = ?, silent_day = ?, sent_at = ?, handed_at = ?, checked_at = ?, ended_at = ?, proof = ?, version = ?, body = ? WHERE id = ?`,
		string(n.State), n.searchText(), ledger.Micros(n.LastSeen), ledger.Micros(n.LastLooked), n.silentDay, ledger.Micros(n.SentAt), ledger.Micros(n.HandedAt),
		ledger.Micros(n.CheckedAt), ledger.Micros(n.EndedAt), n.Proof, n.Version, ledger.JSON(n), n.ID))
	if err != nil || event == "" {
		return err
	}
	return tx.Record(ctx, "notice", n.ID, n.Org, event, map[string]any{"state": n.State, "note": n.Note, "proof": n.Proof, "survey": n.Survey})
}

// clip bounds a text and takes out what a terminal, a page or a table would obey
// or show in another order: it comes from hostile devices and from anybody.
func clip(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffd || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x2069 || r == 0xfeff:
			return -1
		}
		return r
	}, s)
	out := []rune(strings.TrimSpace(s))
	return string(out[:min(len(out), max)])
}

func notFound(op string) error {
	return fault.New(fault.NotFound, op, "there is no such notice here")
}
