// Package ident makes and reads the typed, sortable identifiers of records:
// a prefix that names the kind, an underscore, and 26 characters of Crockford
// base 32 that hold 48 bits of milliseconds and 80 random bits (the ULID
// layout), in lower case: "fnd_06bq3k8v5n7x9m2p4r6s8t0w1y". Identifiers of one
// kind sort by the time they were made. It is not for secrets.
package ident

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"strings"
	"time"

	"noroshi/fault"
)

// ID is a typed identifier.
type ID string

// Prefix names a kind of record.
type Prefix string

// The kinds.
const (
	Org       Prefix = "org"
	Node      Prefix = "nod"
	Event     Prefix = "evt"
	Finding   Prefix = "fnd"
	Indicator Prefix = "ind"
	Person    Prefix = "psn"
	Session   Prefix = "ses"
	Token     Prefix = "tok"
	Drill     Prefix = "drl"
	Scan      Prefix = "scn"
	Action    Prefix = "act"
	Survey    Prefix = "srv"
	Scope     Prefix = "scp"
	BOM       Prefix = "bom"
	Asset     Prefix = "ast"
	Notice    Prefix = "ntc"
	OptOut    Prefix = "opt"
	Change    Prefix = "chg"
	Discovery Prefix = "dsc"
	VEX       Prefix = "vex"
	Recipient Prefix = "rcp"
	Letter    Prefix = "ltr"
)

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// Maker makes identifiers from a clock and a source of randomness.
type Maker struct {
	Now  func() time.Time
	Rand io.Reader
}

// System makes identifiers from the machine's clock and randomness.
func System() Maker { return Maker{Now: time.Now, Rand: rand.Reader} }

// New makes an identifier of a kind. It panics when the source of randomness
// fails, since no safe identifier can be made then.
func (m Maker) New(p Prefix) ID {
	var b [16]byte
	ms := uint64(m.Now().UnixMilli())
	binary.BigEndian.PutUint64(b[:8], ms<<16)
	if _, err := io.ReadFull(m.Rand, b[6:]); err != nil {
		panic("ident: no randomness: " + err.Error())
	}
	return ID(string(p) + "_" + encode(b))
}

// encode writes 128 bits as 26 characters, five bits each, the first holding three.
func encode(b [16]byte) string {
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	var out [26]byte
	for i := 25; i >= 0; i-- {
		out[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}

// Prefix returns the kind that an identifier names, or "" when it has none.
func (id ID) Prefix() Prefix {
	p, _, ok := strings.Cut(string(id), "_")
	if !ok {
		return ""
	}
	return Prefix(p)
}

// Parse reads an identifier of kind p.
func Parse(p Prefix, s string) (ID, error) {
	rest, ok := strings.CutPrefix(s, string(p)+"_")
	if !ok || len(rest) != 26 || rest[0] > '7' {
		return "", fault.New(fault.Invalid, "ident.parse", "%q is not an identifier of the form %s_ and 26 characters", clip(s), p)
	}
	for i := range len(rest) {
		if strings.IndexByte(alphabet, rest[i]) < 0 {
			return "", fault.New(fault.Invalid, "ident.parse", "%q has the character %q, which no identifier has", clip(s), rest[i])
		}
	}
	return ID(s), nil
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
