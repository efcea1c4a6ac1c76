package spool

import (
	"bytes"
	"testing"
)

func FuzzSegment(f *testing.F) {
	var sound []byte
	for i := range uint64(4) {
		sound = appendRecord(sound, record{i + 1, 5, []byte(`{"a":1}`)})
	}
	sound = appendRecord(sound, record{seq: 4})
	f.Add(sound)
	f.Add(sound[:len(sound)-5])
	f.Add(append(append([]byte("junk"), sound...), magic...))
	spoiled := bytes.Clone(sound)
	spoiled[50] ^= 1
	f.Add(spoiled)
	f.Fuzz(func(t *testing.T, data []byte) {
		// What walk accepts and what it skips cover the data exactly, sequences
		// never shrink, and writing what was accepted gives the same bytes.
		covered, last, again := 0, uint64(0), []byte{}
		spoiled := walk(data, func(r record, end int) bool {
			if r.seq < last || end > len(data) {
				t.Fatalf("sequence %d after %d, end %d of %d", r.seq, last, end, len(data))
			}
			b := appendRecord(nil, r)
			if !bytes.Equal(b, data[end-len(b):end]) {
				t.Fatal("a record reads differently from what it is")
			}
			last, covered, again = r.seq, covered+len(b), append(again, b...)
			return true
		})
		for i, p := range spoiled {
			covered += p.to - p.from
			if p.from >= p.to || i > 0 && p.from <= spoiled[i-1].to {
				t.Fatalf("spans %v", spoiled)
			}
		}
		if covered != len(data) {
			t.Fatalf("%d of %d bytes are accounted for", covered, len(data))
		}
		if rest := walk(again, func(record, int) bool { return true }); len(rest) != 0 {
			t.Fatalf("a repaired segment is spoiled again: %v", rest)
		}
	})
}

// A spoiled record costs itself only.
func TestWalkFindsTheNextRecord(t *testing.T) {
	var data []byte
	var ends []int
	for i := range uint64(5) {
		data = appendRecord(data, record{i + 1, 5, []byte(`{"a":1}`)})
		ends = append(ends, len(data))
	}
	for bit := range len(data) * 8 {
		b := bytes.Clone(data)
		b[bit/8] ^= 1 << (bit % 8)
		n := 0
		spoiled := walk(b, func(record, int) bool { n++; return true })
		if n != 4 || len(spoiled) != 1 {
			t.Fatalf("bit %d costs %d records, skipped %v of %v", bit, 5-n, spoiled, ends)
		}
	}
}
