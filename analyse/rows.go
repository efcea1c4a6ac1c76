package analyse

import (
	"context"
	"encoding/json"
	"strings"

	"noroshi/finding"
	"noroshi/ledger"
)

const selectFinding = `SELECT body, last_seq FROM finding`

type scanner func(...any) error

func (s scanner) Scan(to ...any) error { return s(to...) }

func scan(row interface{ Scan(...any) error }) (finding.Finding, error) {
	var f finding.Finding
	var body string
	var seq int64
	if err := row.Scan(&body, &seq); err != nil {
		return f, err
	}
	err := json.Unmarshal([]byte(body), &f)
	f.LastSeq = uint64(seq)
	return f, err
}

func insert(ctx context.Context, tx *ledger.Tx, r *row) error {
	f := &r.Finding
	_, err := tx.Exec(ctx, `INSERT INTO finding (id, org, dedup, slot, node, realm, source, state, level, first_seen, last_seen, count, last_seq, indicator, search, version, body)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, string(f.ID), string(f.Org), f.Key, r.slot, string(f.Node), f.Realm.String(), string(f.Source), string(f.State),
		f.Rule.Level.Rank(), ledger.Micros(f.FirstSeen), ledger.Micros(f.LastSeen), f.Count, int64(f.LastSeq), string(f.Indicator), searchText(f), f.Version, ledger.JSON(f))
	if err != nil {
		return err
	}
	return tx.Record(ctx, "finding", f.ID, f.Org, "found", map[string]any{"rule": f.Rule.ID, "title": f.Title})
}

// update writes what counting or a decision changed. It needs no version: the
// ledger runs a transaction again when another one changed what it had read.
// The version counts decisions only, so that a finding which goes on happening
// can still be decided on.
func update(ctx context.Context, tx *ledger.Tx, f *finding.Finding) error {
	return ledger.Changed(tx.Exec(ctx, `UPDATE finding SET state = ?, first_seen = ?, last_seen = ?, count = ?, last_seq = ?, indicator = ?, search = ?, version = ?, body = ?
		WHERE id = ?`, string(f.State), ledger.Micros(f.FirstSeen), ledger.Micros(f.LastSeen), f.Count, int64(f.LastSeq), string(f.Indicator),
		searchText(f), f.Version, ledger.JSON(f), string(f.ID)))
}

const maxSearch = 16 << 10

// searchText is what the search looks in: lower case, one thing per line.
func searchText(f *finding.Finding) string {
	parts := []string{f.Rule.Title, f.Rule.TitleJA, f.Rule.ID, f.Title, f.Device}
	for _, o := range f.Observables {
		parts = append(parts, o.Value)
	}
	return clip(clean(strings.ToLower(strings.Join(parts, "\n"))), maxSearch)
}
