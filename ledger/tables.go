package ledger

import (
	"context"
	"slices"
	"strings"

	"noroshi/fault"
)

// Table is a table as it is dumped and loaded.
type Table struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
}

// tableNames lists the tables of the ledger, in no order.
func tableNames(ctx context.Context, q Queryer, engine string) ([]string, error) {
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`
	if engine == postgresEngine {
		query = `SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`
	}
	return texts(ctx, q, query)
}

func texts(ctx context.Context, q Queryer, query string, args ...any) (list []string, err error) {
	rows, err := q.Query(ctx, query, args...)
	err = Each(rows, err, func(scan func(...any) error) error {
		var s string
		err := scan(&s)
		list = append(list, s)
		return err
	})
	return list, err
}

// tables lists the tables that hold records, each after those that it refers to.
func tables(ctx context.Context, q Queryer, engine string) ([]Table, error) {
	names, err := tableNames(ctx, q, engine)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	names = slices.DeleteFunc(names, func(n string) bool { return n == noted })
	columns := `SELECT name FROM pragma_table_info(?) ORDER BY cid`
	refers := `SELECT DISTINCT "table" FROM pragma_foreign_key_list(?)`
	if engine == postgresEngine {
		columns = `SELECT attname FROM pg_attribute WHERE attrelid = CAST(CAST(? AS TEXT) AS regclass) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`
		refers = `SELECT DISTINCT r.relname FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid WHERE c.contype = 'f' AND c.conrelid = CAST(CAST(? AS TEXT) AS regclass)`
	}
	var out []Table
	placed := map[string]bool{}
	for len(out) < len(names) {
		before := len(out)
		for _, n := range names {
			if placed[n] {
				continue
			}
			to, err := texts(ctx, q, refers, n)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(to, func(t string) bool { return t != n && !placed[t] }) {
				continue
			}
			t := Table{Name: n}
			if t.Columns, err = texts(ctx, q, columns, n); err != nil {
				return nil, err
			}
			out, placed[n] = append(out, t), true
		}
		if len(out) == before {
			return nil, fault.New(fault.Internal, "ledger.tables", "tables refer to each other in a circle: %s", strings.Join(names, ", "))
		}
	}
	return out, nil
}
