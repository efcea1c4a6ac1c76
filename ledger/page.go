package ledger

import (
	"strconv"
	"strings"

	"noroshi/fault"
	"noroshi/ident"
)

// MaxPage is how many records a page has at the most.
const MaxPage = 500

// PageSize is how many records a page has that was asked for with n: 50 where
// nothing sensible was said.
func PageSize(n int) int {
	if n <= 0 {
		return 50
	}
	return min(n, MaxPage)
}

// Cursor names the last record of a page by what the list is ordered by.
func Cursor(key int64, id ident.ID) string { return strconv.FormatInt(key, 36) + "." + string(id) }

// ReadCursor reads a cursor that names a record of a kind.
func ReadCursor(op, cursor string, kind ident.Prefix) (key int64, id ident.ID, err error) {
	at, rest, _ := strings.Cut(cursor, ".")
	key, err = strconv.ParseInt(at, 36, 64)
	id, idErr := ident.Parse(kind, rest)
	if err != nil || idErr != nil {
		return 0, "", fault.New(fault.Invalid, op, "the cursor is not one of this list")
	}
	return key, id, nil
}

// Where gathers the conditions of a query, and the arguments that they need.
type Where struct {
	SQL  string
	Args []any
}

// And adds a condition.
func (w *Where) And(clause string, args ...any) {
	if w.SQL != "" {
		w.SQL += " AND "
	}
	w.SQL += clause
	w.Args = append(w.Args, args...)
}

// MaxText is how long a text may be that is looked for.
const MaxText = 200 // bytes

// Search adds that a column, which is in lower case, has a text somewhere; an empty
// one is everywhere.
func (w *Where) Search(op, column, text string) error {
	if len(text) > MaxText {
		return fault.New(fault.TooLarge, op, "the text to look for is longer than %d bytes", MaxText)
	}
	if text != "" {
		w.And(column+` LIKE ? ESCAPE '\'`, Like(text))
	}
	return nil
}

// After adds that records stand behind a cursor in a list of the newest first, which
// is ordered by a column and their identifiers.
func (w *Where) After(op, column, cursor string, kind ident.Prefix) error {
	if cursor == "" {
		return nil
	}
	at, id, err := ReadCursor(op, cursor, kind)
	if err == nil {
		w.And("("+column+", id) < (?, ?)", at, string(id))
	}
	return err
}

// AnyOf adds that a column has one of these values; any where there are none.
func AnyOf[T ~string](w *Where, column string, list []T) {
	if len(list) > 0 {
		in, args := In(list)
		w.And(column+" IN "+in, args...)
	}
}
