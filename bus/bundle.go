package bus

import (
	"encoding/binary"

	"noroshi/fault"
	"noroshi/ident"
)

// Batch is one node's batch frame, as the node sent it.
type Batch struct {
	From Node
	Data []byte
}

// A bundle is what the stream holds: batches of several nodes that became
// durable with one write. Its form is a version byte, then for each batch the
// organisation, the node and the frame, each behind its length as an unsigned
// varint. Names of nodes are not in it; the ledger has them.
const bundleVersion = 1

// maxName bounds the identifiers in a bundle.
const maxName = 64

// appendBundle writes batches behind dst.
func appendBundle(dst []byte, batches []Batch) []byte {
	dst = append(dst, bundleVersion)
	for _, b := range batches {
		for _, part := range [][]byte{[]byte(b.From.Org), []byte(b.From.ID), b.Data} {
			dst = append(binary.AppendUvarint(dst, uint64(len(part))), part...)
		}
	}
	return dst
}

// decodeBundle reads what appendBundle wrote. The frames point into data.
func decodeBundle(data []byte) ([]Batch, error) {
	const op = "bus.bundle"
	if len(data) == 0 || data[0] != bundleVersion {
		return nil, fault.New(fault.Invalid, op, "the bundle is not of a version that this program knows")
	}
	var out []Batch
	for rest := data[1:]; len(rest) > 0; {
		var part [3][]byte
		for i, limit := range [3]uint64{maxName, maxName, MaxBatchBytes} {
			n, used := binary.Uvarint(rest)
			if used <= 0 || n > limit || n > uint64(len(rest)-used) {
				return nil, fault.New(fault.Invalid, op, "the bundle breaks off in batch %d", len(out)+1)
			}
			part[i], rest = rest[used:used+int(n)], rest[used+int(n):]
		}
		out = append(out, Batch{From: Node{Org: ident.ID(part[0]), ID: ident.ID(part[1])}, Data: part[2]})
	}
	return out, nil
}
