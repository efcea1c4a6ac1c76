package app

import (
	"cmp"
	"io"
	"time"

	"noroshi/analyse/affected"
	"noroshi/bom"
	"noroshi/fault"
	"noroshi/sense/sbom"
	"noroshi/sense/sbom/scan"
)

// inventory reads bills of materials into one inventory. A system without a name
// is called after its file.
func inventory(files []string) (*affected.Inventory, error) {
	v := affected.NewInventory()
	for _, f := range files {
		s, err := sbom.ReadFile(f)
		if err != nil {
			return nil, err
		}
		v.Add(named(s, f))
	}
	return v, nil
}

// ScanOptions say what a bill of materials says of the system itself; what is
// empty is taken from the folder.
type ScanOptions struct {
	Name, Version, Author string
	Now                   time.Time
}

// Machine is what is scanned in place of a folder: this machine.
const Machine = "host"

// ScanSBOM writes the bill of materials of a folder or of the machine, and returns
// what of it could not be read.
func ScanSBOM(dir string, o ScanOptions, w io.Writer) (notes []string, err error) {
	look := func() (scan.Result, error) { return scan.Dir(dir) }
	if dir == Machine {
		look = scan.Host
	}
	r, err := look()
	if err != nil {
		return nil, err
	}
	s := r.System
	if len(s.Components) == 0 {
		return r.Notes, fault.New(fault.NotFound, "app.sbom", "no lock file, no program of Go and no package that is installed was found in it").At("%s", dir)
	}
	s.Name, s.Version = cmp.Or(o.Name, s.Name), cmp.Or(o.Version, s.Version)
	if o.Author != "" {
		s.Authors = []string{o.Author}
	}
	s.Created = o.Now.UTC().Format(time.RFC3339)
	return r.Notes, sbom.Write(w, s, "noroshi", Version())
}

func named(s bom.System, file string) bom.System {
	if s.Name == "" {
		s.Name = file
	}
	return s
}
