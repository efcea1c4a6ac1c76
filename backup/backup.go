// Package backup copies a hub into one file, and makes a hub out of it again:
// the ledger, what waits on the bus, the keys, and the events. It knows the
// archive and the order in which the parts are copied, not where they are kept:
// app hands them over. The command line is the only other caller; there is no
// operation of the API for it, because whoever has a backup has everything.
//
// # The order
//
// A hub that is at work moves each batch from the bus through judgement into the
// ledger and the store of events, and only then lets the bus forget it. The
// three cannot be copied at one moment, so the copy rests on that rule:
//
//  1. The bus is held: readers go on, but nothing is forgotten.
//  2. The ledger's moment begins, and the events are made durable and snapshot.
//     What the bus forgot before the hold is in both.
//  3. The bus is copied to its end, and let go.
//  4. Rows and events are written out, at leisure.
//
// So every batch that was acknowledged to a node before step 3 is in the
// bus's copy, or in those of ledger and events, or in all. A hub that starts
// from the copy takes the batches of the bus again: what the store has is not
// added twice, a finding knows the highest sequence that it counted, passive DNS
// knows the number of the bus up to which it counted, and the copy of the bus
// keeps these numbers. Any other order loses: a ledger copied before the hold
// lacks what the bus forgets in between, and a bus copied first lacks what
// arrived while the rest was copied, whose findings would then have no events.
//
// # The archive
//
// One tar in one zstd frame: header.json, the files, manifest.json with the size
// and SHA-256 of each, and the keys. What is cut off or changed anywhere is not
// read as whole: without its last entry an archive is torn. A file larger than a
// part is several entries with the same name and a number, so that nobody needs
// to know its length before, or to hold it.
//
// The keys are sealed with a passphrase (scrypt, XChaCha20-Poly1305) and bound to
// the manifest: whoever opens them knows that the whole archive is what was
// written by somebody who knew the passphrase.
package backup

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"noroshi/fault"
	"noroshi/ledger"
)

// The parts of a backup, as Header.Parts names them.
const (
	Ledger = "ledger"
	Bus    = "bus"
	Events = "events"
	Keys   = "keys"
)

// Queue is what the bus lets be copied.
type Queue interface {
	// Hold keeps the bus from forgetting until release is called.
	Hold() (release func())
	// Copy calls write for each stream with its name.
	Copy(ctx context.Context, write func(stream string, fill func(io.Writer) error) error) error
}

// Snapshots is a store of events that is kept in files.
type Snapshots interface {
	// Snapshot returns a folder with the files as they are at this moment.
	Snapshot(ctx context.Context) (dir string, release func() error, err error)
}

// Source is what is copied. Parts that are nil are left out.
type Source struct {
	Program    string
	Now        time.Time
	Ledger     *ledger.DB
	Bus        Queue
	Events     Snapshots
	Keys       map[string][]byte // by the path below the data folder
	Passphrase []byte            // seals the keys; empty leaves them in the clear
}

// Make writes an archive.
func Make(ctx context.Context, w io.Writer, s Source) (err error) {
	release := func() {}
	if s.Bus != nil {
		release = sync.OnceFunc(s.Bus.Hold())
	}
	defer release()
	return s.Ledger.Dump(ctx, func(d *ledger.Dump) error {
		a, err := newWriter(w, s.header(d))
		if err != nil {
			return err
		}
		dir := ""
		if s.Events != nil {
			var drop func() error
			if dir, drop, err = s.Events.Snapshot(ctx); err != nil {
				return err
			}
			defer func() { _ = drop() }() // The next snapshot clears what is left.
		}
		if s.Bus != nil {
			if err := s.Bus.Copy(ctx, func(stream string, fill func(io.Writer) error) error {
				return a.file(Bus+"/"+stream+".jsonl", fill)
			}); err != nil {
				return err
			}
			release()
		}
		for _, t := range d.Tables {
			if err := a.file(Ledger+"/"+t.Name+".jsonl", func(w io.Writer) error {
				n, err := d.Rows(ctx, t, w)
				a.manifest.Rows[t.Name] = n
				return err
			}); err != nil {
				return err
			}
		}
		if dir != "" {
			if err := a.folder(ctx, Events, dir); err != nil {
				return err
			}
		}
		return a.finish(s.Keys, s.Passphrase)
	})
}

// header says what the archive is going to hold.
func (s Source) header(d *ledger.Dump) Header {
	h := Header{Format: format, Program: s.Program, Made: s.Now.UTC(), Engine: s.Ledger.Engine(), Versions: d.Versions, Tables: d.Tables, Parts: []string{Ledger}}
	if s.Bus != nil {
		h.Parts = append(h.Parts, Bus)
	}
	if s.Events != nil {
		h.Parts = append(h.Parts, Events)
	}
	if s.Keys != nil {
		h.Parts = append(h.Parts, Keys)
		h.Sealed = len(s.Passphrase) > 0
	}
	return h
}

// folder writes every file below dir.
func (a *writer) folder(ctx context.Context, name, dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		below, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // It was only read.
		return a.file(name+"/"+filepath.ToSlash(below), func(w io.Writer) error {
			_, err := io.Copy(w, f)
			return err
		})
	})
}

// Header is the first entry: what an archive is.
type Header struct {
	Format   int            `json:"format"`
	Program  string         `json:"program"`
	Made     time.Time      `json:"made"`
	Engine   string         `json:"engine"`   // that the ledger had
	Versions []int64        `json:"versions"` // of the ledger's schema
	Tables   []ledger.Table `json:"tables"`
	Parts    []string       `json:"parts"`
	Sealed   bool           `json:"keys_sealed,omitempty"`
}

// Has tells whether a part is in the archive.
func (h Header) Has(part string) bool { return slices.Contains(h.Parts, part) }

// Version is the highest number of the schema.
func (h Header) Version() int64 { return slices.Max(append([]int64{0}, h.Versions...)) }

// File is one file of the archive.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Manifest is the last entry before sealed keys: what an archive holds.
type Manifest struct {
	Files []File           `json:"files"`
	Rows  map[string]int64 `json:"rows"` // of each table
}

// Bytes is the size of all files.
func (m Manifest) Bytes() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

func marshal(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return b, fault.Wrap("backup.write", err)
}
