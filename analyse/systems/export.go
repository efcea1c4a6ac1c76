package systems

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"noroshi/access"
	"noroshi/analyse/affected"
	"noroshi/analyse/vex"
	"noroshi/fault"
	"noroshi/ident"
)

// WriteVEX writes what hits a system and what is decided about it, as a document
// that others can read: in OpenVEX, CycloneDX or CSAF.
func (x *Systems) WriteVEX(ctx context.Context, s access.Scope, id ident.ID, format string) ([]byte, error) {
	const op = "systems.vex"
	sys, err := x.Get(ctx, s, id)
	if err != nil {
		return nil, err
	}
	d, err := x.document(id)
	switch {
	case err != nil:
		return nil, fault.Wrap(op, err)
	case len(d.Statements) == 0:
		return nil, fault.New(fault.NotFound, op, "no known weakness hits %s, so there is nothing to say", sys.Name)
	}
	var out bytes.Buffer
	err = vex.Write(&out, format, d)
	return out.Bytes(), fault.Wrap(op, err)
}

// document is what is to be said of a system; without statements when nothing
// hits it.
func (x *Systems) document(id ident.ID) (d vex.Document, err error) {
	m := x.mem
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := m.loaded(); err != nil {
		return d, err
	}
	k := m.of[id]
	if k == nil || k.InForce == nil || k.State != Active {
		return d, nil
	}
	o, _ := x.d.Tree().Get(k.Org)
	at := x.now().Truncate(time.Second)
	// Decisions change, so each document is one of its own.
	d = vex.Document{ID: fmt.Sprintf("urn:noroshi:vex:%s:%d:%d", id, k.InForce.Number, at.Unix()), Author: o.Name, At: at, System: k.product()}
	d.Statements = affected.Statements(m.hits(k), d.At)
	return d, nil
}

// MayExport refuses what ExportVEX cannot answer, before anything is written.
func (x *Systems) MayExport(s access.Scope, org ident.ID) error {
	if !s.Allows(org) {
		return fault.New(fault.NotFound, "systems.export", "there is no organisation %.40q here", string(org))
	}
	x.mem.mu.RLock()
	defer x.mem.mu.RUnlock()
	return x.mem.loaded()
}

// ExportVEX writes a zip file with a document for each system of an organisation
// that something hits, the systems by their names.
func (x *Systems) ExportVEX(ctx context.Context, s access.Scope, org ident.ID, format string, w io.Writer) error {
	const op = "systems.export"
	z := zip.NewWriter(w)
	for f := (Filter{Org: org, Limit: 500}); ; {
		p, err := x.List(ctx, s, f)
		if err != nil {
			return err
		}
		for _, sys := range p.Items {
			d, err := x.document(sys.ID)
			if err != nil {
				return err
			}
			if len(d.Statements) == 0 {
				continue
			}
			file, err := z.Create(fileName(sys) + "." + format + ".json")
			if err == nil {
				err = vex.Write(file, format, d)
			}
			if err != nil {
				return fault.Wrap(op, err)
			}
		}
		if f.Cursor = p.Next; f.Cursor == "" {
			return fault.Wrap(op, z.Close())
		}
	}
}

// fileName names a system in an archive: its name in plain letters, and what no
// other has.
func fileName(s System) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, s.Name)
	return name + "-" + string(s.ID)
}
