package scan

import (
	"encoding/binary"
	"io"

	"noroshi/fault"
)

// sqliteFile reads the rows of a table out of a file of SQLite
// (https://sqlite.org/fileformat2.html). A scan opens no database: it neither
// writes beside what it reads nor follows a link there, and one table is needed.
type sqliteFile struct {
	r      io.ReaderAt
	page   int // bytes of a page
	usable int
	left   int // pages that may still be read: a file that leads in circles ends
}

// The limits of such a file.
const (
	maxPages = 4 << 20
	maxRow   = 64 << 20
	maxTree  = 32 // levels
)

func openSQLite(r io.ReaderAt, size int64) (*sqliteFile, error) {
	var head [100]byte
	if _, err := r.ReadAt(head[:], 0); err != nil || string(head[:16]) != "SQLite format 3\x00" {
		return nil, fault.New(fault.Invalid, "scan.sqlite", "it is no file of SQLite")
	}
	d := &sqliteFile{r: r, page: int(binary.BigEndian.Uint16(head[16:]))}
	if d.page == 1 {
		d.page = 64 << 10
	}
	d.usable = d.page - int(head[20])
	if d.page < 512 || d.page&(d.page-1) != 0 || d.usable < 480 || size/int64(d.page) > maxPages {
		return nil, d.broken()
	}
	d.left = 2*int(size/int64(d.page)) + 2
	return d, nil
}

func (d *sqliteFile) broken() error {
	return fault.New(fault.Invalid, "scan.sqlite", "its pages contradict each other")
}

func (d *sqliteFile) read(n uint32) ([]byte, error) {
	if d.left--; d.left < 0 || n == 0 {
		return nil, d.broken()
	}
	b := make([]byte, d.page)
	if _, err := d.r.ReadAt(b, int64(n-1)*int64(d.page)); err != nil {
		return nil, d.broken()
	}
	return b, nil
}

// table hands over the rows of a table.
func (d *sqliteFile) table(name string, take func(row [][]byte) error) error {
	root := uint32(0)
	err := d.tree(1, 0, func(row [][]byte) error {
		if len(row) > 3 && string(row[0]) == "table" && string(row[1]) == name {
			for _, b := range row[3] {
				root = root<<8 | uint32(b)
			}
		}
		return nil
	})
	if err == nil && root == 0 {
		err = fault.New(fault.Invalid, "scan.sqlite", "it has no table %s", name)
	}
	if err != nil {
		return err
	}
	return d.tree(root, 0, take)
}

// tree walks the pages of a table.
func (d *sqliteFile) tree(n uint32, level int, take func([][]byte) error) error {
	b, err := d.read(n)
	if err != nil || level > maxTree {
		return d.broken()
	}
	at := 0
	if n == 1 {
		at = 100 // Behind the head of the file.
	}
	kind, cells, first := b[at], int(binary.BigEndian.Uint16(b[at+3:])), at+8
	if kind == 5 {
		first = at + 12
	}
	if kind != 5 && kind != 13 || first+2*cells > len(b) {
		return d.broken()
	}
	for i := range cells {
		cell := int(binary.BigEndian.Uint16(b[first+2*i:]))
		if cell+4 > len(b) {
			return d.broken()
		}
		if kind == 5 {
			err = d.tree(binary.BigEndian.Uint32(b[cell:]), level+1, take)
		} else {
			err = d.leaf(b[:d.usable], cell, take)
		}
		if err != nil {
			return err
		}
	}
	if kind == 5 {
		return d.tree(binary.BigEndian.Uint32(b[at+8:]), level+1, take)
	}
	return nil
}

// leaf reads a row: what does not fit on its page goes on elsewhere.
func (d *sqliteFile) leaf(b []byte, cell int, take func([][]byte) error) error {
	if cell >= len(b) {
		return d.broken()
	}
	size, n := varint(b[cell:])
	_, m := varint(b[min(cell+n, len(b)):])
	cell += n + m
	if n == 0 || m == 0 || size > maxRow {
		return d.broken()
	}
	most, least := d.usable-35, (d.usable-12)*32/255-23
	local := int(size)
	if local > most {
		if local = least + (int(size)-least)%(d.usable-4); local > most {
			local = least
		}
	}
	if cell+local > len(b) {
		return d.broken()
	}
	payload := append([]byte(nil), b[cell:cell+local]...)
	for next := cell + local; len(payload) < int(size); next = 0 {
		if next+4 > len(b) {
			return d.broken()
		}
		page, err := d.read(binary.BigEndian.Uint32(b[next:]))
		if err != nil {
			return err
		}
		b = page[:d.usable]
		payload = append(payload, b[4:min(len(b), 4+int(size)-len(payload))]...)
	}
	row, ok := columns(payload)
	if !ok {
		return d.broken()
	}
	return take(row)
}

// columns parts a record into its values, as bytes.
func columns(b []byte) (row [][]byte, ok bool) {
	head, n := varint(b)
	if n == 0 || head > uint64(len(b)) || head < uint64(n) {
		return nil, false
	}
	types, values := b[n:head], b[head:]
	for len(types) > 0 {
		kind, n := varint(types)
		if n == 0 {
			return nil, false
		}
		types = types[n:]
		size := uint64(0)
		switch {
		case kind >= 12:
			size = (kind - 12) / 2
		case kind == 5:
			size = 6
		case kind == 6 || kind == 7:
			size = 8
		case kind <= 4:
			size = kind
		}
		if size > uint64(len(values)) {
			return nil, false
		}
		row, values = append(row, values[:size]), values[size:]
	}
	return row, true
}

// varint reads SQLite's numbers, of one to nine bytes.
func varint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 8 {
		v = v<<7 | uint64(b[n]&0x7f)
		if n++; b[n-1] < 0x80 {
			return v, n
		}
	}
	if n == 8 && len(b) > 8 {
		return v<<8 | uint64(b[8]), 9
	}
	return 0, 0
}
