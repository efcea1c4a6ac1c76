// Package recog reads fingerprints in the XML form of the recog project, from a
// folder that an operator provides and from the few of our own (content), and
// says what a text that a service sent tells of it. sense/surface/identify asks.
package recog

import (
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"sync"

	"noroshi/fault"
)

// The limits of a folder of fingerprints.
const (
	maxFiles   = 500
	maxBytes   = 8 << 20 // of one file
	maxPattern = 4 << 10
	maxEach    = 20_000 // fingerprints of one file
)

// DB is the fingerprints of a folder, by what they match ("ssh.banner").
type DB struct {
	kinds map[string][]*fingerprint
	n     int
}

// Len is how many fingerprints there are.
func (db *DB) Len() int { return db.n }

type fingerprint struct {
	captures int
	literal  string // what a matching text holds, in lower case; empty when nothing must be
	fixed    []pair
	groups   []group
	compile  func() *regexp.Regexp // once, when a text first holds the literal
}

type pair struct{ name, value string }

type group struct {
	name string
	pos  int
}

// document is the part of recog's schema that is read.
type document struct {
	Matches string `xml:"matches,attr"`
	All     []struct {
		Pattern string `xml:"pattern,attr"`
		Flags   string `xml:"flags,attr"`
		Params  []struct {
			Pos   string `xml:"pos,attr"`
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"param"`
	} `xml:"fingerprint"`
}

// Load reads every .xml file of a folder, in the order of their names, and then
// those of further folders, which are asked where the ones before know nothing.
func Load(dirs ...fs.FS) (*DB, error) {
	db := &DB{kinds: map[string][]*fingerprint{}}
	for _, dir := range dirs {
		if err := db.add(dir); err != nil {
			return nil, err
		}
	}
	return db, nil
}

func (db *DB) add(dir fs.FS) error {
	files, err := fs.Glob(dir, "*.xml") // in the order of their names
	if err != nil || len(files) == 0 {
		return fault.As(fault.NotFound, "recog.load", err, "there are no .xml files in the folder of fingerprints")
	}
	if len(files) > maxFiles {
		return fault.New(fault.TooLarge, "recog.load", "the folder of fingerprints holds %d files; at most %d are read", len(files), maxFiles)
	}
	for _, name := range files {
		f, err := dir.Open(name)
		if err != nil {
			return fault.As(fault.NotFound, "recog.load", err, "the fingerprints cannot be read: %v", err)
		}
		err = db.read(f)
		_ = f.Close() // It was only read.
		if err != nil {
			return fault.As(fault.Invalid, "recog.load", err, "%s: %s", name, fault.PublicOf(err))
		}
	}
	return nil
}

// read adds a file. encoding/xml resolves no entity but XML's own five, so a
// document cannot grow beyond its bytes.
func (db *DB) read(r io.Reader) error {
	limited := &io.LimitedReader{R: r, N: maxBytes + 1}
	var d document
	if err := xml.NewDecoder(limited).Decode(&d); err != nil {
		if limited.N == 0 {
			return fault.New(fault.TooLarge, "recog.read", "the file is over %d bytes", maxBytes)
		}
		return fault.As(fault.Invalid, "recog.read", err, "this is no XML of fingerprints: %v", err)
	}
	if len(d.All) > maxEach {
		return fault.New(fault.TooLarge, "recog.read", "%d fingerprints are more than %d", len(d.All), maxEach)
	}
	for i, x := range d.All {
		f, err := newFingerprint(x.Pattern, x.Flags)
		if err != nil {
			return fault.As(fault.Invalid, "recog.read", err, "the pattern cannot be used: %v", err).At("fingerprint %d", i+1)
		}
		for _, p := range x.Params {
			pos, err := strconv.Atoi(p.Pos)
			switch {
			case err != nil || pos < 0 || pos > f.captures:
				return fault.New(fault.Invalid, "recog.read", "the param %q names group %q, which the pattern has not", p.Name, p.Pos).At("fingerprint %d", i+1)
			case pos == 0:
				f.fixed = append(f.fixed, pair{p.Name, p.Value})
			default:
				f.groups = append(f.groups, group{p.Name, pos})
			}
		}
		db.kinds[d.Matches] = append(db.kinds[d.Matches], f)
		db.n++
	}
	return nil
}

func newFingerprint(pattern, flags string) (*fingerprint, error) {
	if len(pattern) > maxPattern {
		return nil, errors.New("it is too long")
	}
	set := ""
	for f := range strings.SplitSeq(flags, ",") {
		switch strings.TrimSpace(f) {
		case "REG_ICASE":
			set += "i"
		case "REG_DOT_NEWLINE", "REG_MULTILINE": // recog's two names for a dot that matches line ends
			set += "s"
		case "":
		default:
			return nil, errors.New("it has the unknown flag " + strconv.Quote(f))
		}
	}
	if set != "" {
		pattern = "(?" + set + ")" + pattern
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	return &fingerprint{literal: strings.ToLower(required(tree)), captures: tree.MaxCap(), compile: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })}, nil
}

// required is the longest literal that every text has which the tree matches.
func required(t *syntax.Regexp) string {
	switch t.Op {
	case syntax.OpLiteral:
		return string(t.Rune)
	case syntax.OpCapture, syntax.OpPlus:
		return required(t.Sub[0])
	case syntax.OpRepeat:
		if t.Min > 0 {
			return required(t.Sub[0])
		}
	case syntax.OpConcat:
		best := ""
		for _, s := range t.Sub {
			if l := required(s); len(l) > len(best) {
				best = l
			}
		}
		return best
	}
	return ""
}
