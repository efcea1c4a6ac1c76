package spool

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"noroshi/event"
)

// A segment is a file of records. A record is
//
//	magic 4 | length of the line 4 | sequence 8 | time in ms 8 | CRC-32C of the header so far and the line 4 | line
//
// in big-endian order. The magic cannot occur in a line of JSON (0xF1 'N' is no
// UTF-8, 0x01 is always escaped), so that the reader finds the next record
// after a spoiled one. A record without a line is a boundary: it ends a batch,
// and carries the sequence of the batch's last event. Boundaries stand on disk
// before the batch is sent; a batch sent again after a crash is therefore the
// same batch, byte for byte, and has the same id.
var magic = []byte{0xF1, 'N', 'S', 0x01}

const (
	headerSize = 28
	maxRecord  = headerSize + event.MaxLine
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type record struct {
	seq  uint64
	at   int64 // milliseconds
	line []byte
}

func (r record) boundary() bool { return len(r.line) == 0 }

func appendRecord(dst []byte, r record) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.line)))
	dst = binary.BigEndian.AppendUint64(dst, r.seq)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.at))
	sum := crc32.Update(crc32.Checksum(dst[start:], castagnoli), castagnoli, r.line)
	dst = binary.BigEndian.AppendUint32(dst, sum)
	return append(dst, r.line...)
}

// parse reads the record at the beginning of b and returns its size, 0 when
// there is no sound one. The line points into b.
func parse(b []byte) (record, int) {
	if len(b) < headerSize || !bytes.Equal(b[:4], magic) {
		return record{}, 0
	}
	n := binary.BigEndian.Uint32(b[4:])
	if n > event.MaxLine || int(n) > len(b)-headerSize {
		return record{}, 0
	}
	line := b[headerSize : headerSize+int(n)]
	if crc32.Update(crc32.Checksum(b[:24], castagnoli), castagnoli, line) != binary.BigEndian.Uint32(b[24:]) {
		return record{}, 0
	}
	return record{binary.BigEndian.Uint64(b[8:]), int64(binary.BigEndian.Uint64(b[16:])), line}, headerSize + int(n)
}

// span is a piece of a segment that is no record.
type span struct{ from, to int }

// walk calls fn for each sound record of data with the offset behind it, until
// fn returns false, and returns the pieces it had to skip. A record out of order
// is not sound: the hub counts on sequences that grow.
func walk(data []byte, fn func(r record, end int) bool) []span {
	var spoiled []span
	var last uint64
	for off := 0; off < len(data); {
		r, n := parse(data[off:])
		if n > 0 && (r.seq > last || r.boundary() && r.seq == last) {
			last = r.seq
			off += n
			if !fn(r, off) {
				return spoiled
			}
			continue
		}
		next := len(data)
		if i := bytes.Index(data[off+1:], magic); i >= 0 {
			next = off + 1 + i
		}
		if k := len(spoiled) - 1; k >= 0 && spoiled[k].to == off {
			spoiled[k].to = next
		} else {
			spoiled = append(spoiled, span{off, next})
		}
		off = next
	}
	return spoiled
}
