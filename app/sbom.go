package app

import (
	"noroshi/analyse/affected"
	"noroshi/bom"
	"noroshi/fault"
	"noroshi/sense/sbom"
)

// Advisories loads files of advisories, and says what became of each.
func Advisories(files []string) (*affected.Advisories, []affected.Report, error) {
	a := affected.New()
	var reports []affected.Report
	for _, f := range files {
		r, err := a.LoadZip(f)
		if err != nil {
			return nil, nil, err
		}
		reports = append(reports, r)
	}
	if a.Len() == 0 {
		return nil, nil, fault.New(fault.Invalid, "app.sbom", "the advisories speak of no ecosystem whose versions are known here")
	}
	return a, reports, nil
}

// Inventory reads bills of materials into one inventory. A system without a name
// is called after its file.
func Inventory(files []string) (*affected.Inventory, error) {
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

func named(s bom.System, file string) bom.System {
	if s.Name == "" {
		s.Name = file
	}
	return s
}
