// Package sheet writes tables that spreadsheets open: RFC 4180, in UTF-8 with the
// byte order mark without which Japanese is read as Shift JIS, and with no cell
// that a program would take for a formula, since what stands in them often comes
// from whoever was looked at. It reads nothing.
package sheet

import (
	"encoding/csv"
	"io"
	"slices"
	"strings"
)

// Sheet is a table on its way out.
type Sheet struct{ w *csv.Writer }

// New begins a table with the names of its columns. What goes wrong, Flush says.
func New(to io.Writer, columns ...string) *Sheet {
	_, _ = io.WriteString(to, "\ufeff")
	s := &Sheet{csv.NewWriter(to)}
	s.w.UseCRLF = true
	s.Line(columns...)
	return s
}

// Line writes a line.
func (s *Sheet) Line(cells ...string) {
	cells = slices.Clone(cells)
	for i := range cells {
		cells[i] = plain(cells[i])
	}
	_ = s.w.Write(cells)
}

// Flush writes out what is held back, and says what went wrong so far.
func (s *Sheet) Flush() error {
	s.w.Flush()
	return s.w.Error()
}

// plain makes a cell that no spreadsheet takes for a formula.
func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@|%\t\r\n＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}
