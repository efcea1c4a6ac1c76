package ledger

import (
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"noroshi/fault"
)

// Micros is how the ledger keeps a time: microseconds since the epoch, 0 for
// the zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the reverse of Micros, in UTC.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// JSON is how the ledger keeps structured columns: as text.
func JSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "null" // The vocabulary's types always marshal.
	}
	return string(b)
}

// Bit is how the ledger keeps a truth: 1 or 0.
func Bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Each calls fn for each row and closes the rows.
func Each(rows *sql.Rows, err error, fn func(scan func(...any) error) error) error {
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// In returns "(?,?,?)" and the arguments for a list, to follow IN. An empty list
// gives a list that nothing is in.
func In[T ~string](list []T) (string, []any) {
	if len(list) == 0 {
		return "(NULL)", nil
	}
	args := make([]any, len(list))
	for i, v := range list {
		args[i] = string(v)
	}
	return "(" + strings.Repeat("?,", len(list)-1) + "?)", args
}

// Like returns a pattern that finds text anywhere, with LIKE … ESCAPE '\'. The
// column must be in lower case.
func Like(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(text)) + "%"
}

// Changed turns an UPDATE that hit no row into a conflict: the record changed
// meanwhile.
func Changed(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return fault.New(fault.Conflict, "ledger.update", "the record was changed by somebody else meanwhile; read it again")
}

// NoRows tells whether a query for one row found none.
func NoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }
