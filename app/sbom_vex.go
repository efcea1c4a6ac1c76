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

// WriteVEX writes the decisions about the hits of a system; a hit about which
// nothing is decided is under investigation.
func WriteVEX(w io.Writer, r affected.Result, o VEXOptions) error {
	d := vex.Document{ID: o.ID, Author: o.Author, At: o.Now.UTC().Truncate(time.Second), System: r.Product()}
	for _, h := range r.Hits {
		s := vex.Statement{Weakness: h.Names, Product: vex.Product{PURL: h.Package()}, Status: vex.UnderInvestigation, At: d.At}
		if x := h.Decision; x != nil {
			s.Status, s.Justification, s.Why, s.Action, s.At = x.Status, x.Justification, x.Why, x.Action, x.At
		}
		d.Statements = append(d.Statements, s)
	}
	return vex.Write(w, o.Format, d)
}
