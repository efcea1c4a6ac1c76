package app

import (
	"io"
	"time"

	"noroshi/analyse/affected"
	"noroshi/analyse/vex"
)

// VEXOptions say what a document of decisions says of itself.
type VEXOptions struct {
	Format, Author, ID string
	Now                time.Time
}

// WriteVEX writes the decisions about the hits of a system.
func WriteVEX(w io.Writer, r affected.Result, o VEXOptions) error {
	d := vex.Document{ID: o.ID, Author: o.Author, At: o.Now.UTC().Truncate(time.Second), System: r.Product()}
	d.Statements = affected.Statements(r.Hits, d.At)
	return vex.Write(w, o.Format, d)
}
