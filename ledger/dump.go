package ledger

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"noroshi/fault"
)

// Dump is every record of the ledger at one moment, in a form that both engines
// read: a table is lines of JSON, each the list of a row's values. It knows the
// tables by asking the engine, so that it also copies a ledger whose schema is
// older than the program.
type Dump struct {
	Versions []int64 // the steps of the schema
	Tables   []Table // each after those that it refers to
	q        Queryer
}

// Dump calls fn with the ledger as it is at this moment. Others go on writing;
// the moment lasts as long as fn.
func (db *DB) Dump(ctx context.Context, fn func(d *Dump) error) error {
	return db.Read(ctx, func(q Queryer) (err error) {
		d := &Dump{q: q}
		if d.Versions, err = versions(ctx, q, db.engine); err != nil {
			return fault.Wrap("ledger.dump", err)
		}
		if d.Tables, err = tables(ctx, q, db.engine); err != nil {
			return fault.Wrap("ledger.dump", err)
		}
		return fn(d)
	})
}

// Rows writes the rows of a table and tells how many they are.
func (d *Dump) Rows(ctx context.Context, t Table, w io.Writer) (n int64, err error) {
	out := bufio.NewWriterSize(w, 256<<10)
	rows, err := d.q.Query(ctx, `SELECT "`+strings.Join(t.Columns, `", "`)+`" FROM "`+t.Name+`"`)
	values := make([]any, len(t.Columns))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	var line []byte
	err = Each(rows, err, func(scan func(...any) error) error {
		if err := scan(into...); err != nil {
			return err
		}
		line = append(line[:0], '[')
		for i, v := range values {
			if i > 0 {
				line = append(line, ',')
			}
			var err error
			if line, err = appendValue(line, v); err != nil {
				return err
			}
		}
		n++
		_, err := out.Write(append(line, "]\n"...))
		return err
	})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return n, fault.As(fault.KindOf(err), "ledger.dump", err, "the table %s cannot be copied: %v", t.Name, err)
	}
	return n, nil
}

// binary is how bytes stand in a row.
type binary struct {
	Base64 string `json:"base64"`
}

func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case string:
		s, err := json.Marshal(v)
		return append(b, s...), err
	case []byte:
		s, err := json.Marshal(binary{base64.StdEncoding.EncodeToString(v)})
		return append(b, s...), err
	}
	return b, fault.New(fault.Internal, "ledger.dump", "a value is a %T; records hold integers, texts and bytes", v)
}
