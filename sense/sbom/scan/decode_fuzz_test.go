package scan

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// page1 is a database of one page, whose only row says that the table Packages
// begins on that same page: it leads in a circle.
func page1() []byte {
	b := make([]byte, 512)
	copy(b, "SQLite format 3\x00\x02\x00")
	row := []byte("\x06\x17\x1d\x1d\x01\x17tablePackagesPackages\x01x")
	at := len(b) - len(row) - 2
	copy(b[at:], append([]byte{byte(len(row)), 1}, row...))
	b[100] = 13
	binary.BigEndian.PutUint16(b[103:], 1)
	binary.BigEndian.PutUint16(b[108:], uint16(at))
	return b
}

func FuzzSQLite(f *testing.F) {
	f.Add(page1())
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := openSQLite(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		rows := 0
		_ = d.table("Packages", func(row [][]byte) error { // What is broken is said, as what it is.
			if rows++; rows > len(b)*len(b) {
				t.Fatal("it has more rows than it could")
			}
			for _, v := range row {
				rpmHeader(v)
			}
			return nil
		})
	})
}

func FuzzRPMHeader(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02\x00\x00\x00\x06\x00\x00\x03\xe8\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x03\xeb\x00\x00\x00\x04\x00\x00\x00\x02\x00\x00\x00\x01a\x00\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tags, ok := rpmHeader(b)
		n := 0
		for _, list := range tags {
			for _, s := range list {
				n += len(s)
			}
		}
		if ok && n > 11*len(b) {
			t.Errorf("%d bytes say %d bytes", len(b), n)
		}
	})
}
