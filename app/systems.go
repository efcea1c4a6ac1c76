package app

import (
	"context"
	"io"
	"time"

	"noroshi/analyse/systems"
	"noroshi/bom"
	"noroshi/sense/sbom"
)

// documents lets the stage that keeps systems read bills of materials.
type documents struct{}

func (documents) Read(r io.Reader) (bom.System, error) { return sbom.Read(r) }
func (documents) Score(s bom.System) int               { return sbom.Judge(s).Score }
func (documents) Write(w io.Writer, s bom.System) error {
	return sbom.Write(w, s, "noroshi", Version())
}

// bills makes the stage that keeps systems and what is known to be weak in them.
func (h *hub) bills(context.Context) (err error) {
	h.systems, err = systems.New(systems.Deps{DB: h.db, Documents: documents{}, Actions: h.actions, Outside: h.exposure, Aside: h.quarantine.Put, Closed: h.brake.Closed, Tree: h.orgs.Current, Now: time.Now,
		Ident: h.deps.Ident, Log: h.log})
	if err == nil {
		h.systems.OnChange = func() { h.line.Kick("systems") }
	}
	return err
}

// download gets the feeds of advisories that are configured.
func (h *hub) download(ctx context.Context) error {
	var list []systems.Source
	for _, a := range h.cfg.Hub.Advisories {
		list = append(list, systems.Source{Name: a.Name, URL: a.URL})
	}
	return h.systems.Fetch(ctx, list)
}
