package cli

import (
	"time"

	"noroshi/app"
	"noroshi/fault"
)

// exportVEX writes what is decided about the hits of one system, and that the
// others are looked into.
func exportVEX(env *environment, args []string) error {
	m := newMatching(env, "vex --format FORMAT FILE")
	var o app.VEXOptions
	m.fs.StringVar(&o.Format, "format", "openvex", "openvex, cyclonedx or csaf")
	m.fs.StringVar(&o.Author, "author", "", "who answers for the decisions")
	m.fs.StringVar(&o.ID, "id", "", "an IRI that names the document, such as https://example.org/vex/2026-1")
	files, err := anyOrder(m.fs, args)
	if err != nil {
		return err
	}
	if len(files) != 1 || o.Author == "" || o.ID == "" {
		return fault.New(fault.Invalid, "cli.sbom", "say of which system and who says so: noroshi sbom vex --format openvex --author NAME --id IRI --advisories FILE.zip --vex FILE SBOM")
	}
	k, err := m.load(env, files)
	if err != nil {
		return err
	}
	o.Now = time.Now()
	return app.WriteVEX(env.out, k.Check()[0], o)
}
