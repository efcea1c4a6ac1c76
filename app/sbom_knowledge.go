package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"noroshi/analyse/affected"
	"noroshi/analyse/exploited"
	"noroshi/analyse/feed"
	"noroshi/analyse/nvd"
	"noroshi/analyse/vex"
	"noroshi/fault"
)

// KnowledgeFiles are the files against which systems are judged, and what is
// said of the systems themselves.
type KnowledgeFiles struct {
	Systems    []string // bills of materials
	Advisories []string
	NVD        []string
	Known      []string // KEV and EPSS
	VEX        []string // decisions
	Remember   string   // what feeds had the last time; "" does not remember
	Place      affected.Place
	// Say hears what became of each file.
	Say func(what string, problems feed.Problems)
}

// Knowledge is what was read.
type Knowledge struct {
	Advisories *affected.Advisories
	systems    *affected.Inventory
	nvd        *nvd.Known       // nil when no file was named
	known      *exploited.Known // nil when no file was named
	decisions  *vex.Decisions   // nil when no file was named
	place      affected.Place
}

// Load reads the files.
func (o KnowledgeFiles) Load() (Knowledge, error) {
	k := Knowledge{Advisories: affected.New(), place: o.Place}
	var err error
	if k.systems, err = inventory(o.Systems); err != nil {
		return k, err
	}
	m, err := recall(o.Remember)
	if err != nil {
		return k, err
	}
	for _, f := range o.Advisories {
		r, err := k.Advisories.Load(f)
		if err == nil {
			err = m.believe(f, r.Contents())
		}
		if err != nil {
			return k, err
		}
		o.Say(fmt.Sprintf("%s: %d advisories, %d withdrawn, %d of what is not judged here, %d refused", f, r.Advisories, r.Withdrawn, r.Unusable, r.Refused), r.Problems)
	}
	if len(o.Advisories) > 0 && k.Advisories.Len() == 0 {
		return k, fault.New(fault.Invalid, "app.sbom", "the advisories speak of no ecosystem whose versions are known here")
	}
	for _, f := range o.Known {
		if k.known == nil {
			k.known = &exploited.Known{}
		}
		r, err := k.known.Load(f)
		if err == nil {
			err = m.believe(f, r.Contents)
		}
		if err != nil {
			return k, err
		}
		o.Say(fmt.Sprintf("%s: %s, %d entries, %d refused", f, r.Kind, r.Entries, r.Refused), r.Problems)
	}
	for _, f := range o.NVD {
		if k.nvd == nil {
			k.nvd = &nvd.Known{}
		}
		r, err := k.nvd.Load(f, k.systems.Named)
		if err == nil {
			err = m.believe(f, r.Contents())
		}
		if err != nil {
			return k, err
		}
		o.Say(fmt.Sprintf("%s: NVD, %d weaknesses, %d about these systems' products, %d refused", f, r.Entries, r.Kept, r.Refused), r.Problems)
	}
	for _, f := range o.VEX {
		if k.decisions == nil {
			k.decisions = &vex.Decisions{}
		}
		r, err := k.decisions.Load(f)
		if err != nil {
			return k, err
		}
		o.Say(fmt.Sprintf("%s: %s, %d decisions, %d refused", f, r.Format, r.Statements, r.Refused), r.Problems)
	}
	return k, m.write(o.Remember)
}

// Check says of every system what hits it.
func (k Knowledge) Check() []affected.Result {
	results := k.systems.Check(k.Advisories)
	if k.nvd != nil {
		results = k.systems.ByName(results, k.Advisories, k.nvd, "")
	}
	return k.judge(results)
}

// WhoIsHit says which systems a weakness hits.
func (k Knowledge) WhoIsHit(name string) ([]affected.Result, error) {
	results, err := k.systems.WhoIsHit(k.Advisories, name)
	if k.nvd != nil && k.nvd.Has(name) {
		results, err = k.systems.ByName(results, k.Advisories, k.nvd, name), nil
	}
	return k.judge(results), err
}

// judge adds what is known beside the advisories to results.
func (k Knowledge) judge(results []affected.Result) []affected.Result {
	for i := range results {
		if k.known != nil {
			results[i].Weigh(k.known, k.place)
		}
		if k.decisions != nil {
			results[i].Decide(k.decisions)
		}
	}
	return results
}

// memory is what feeds had the last time, by the name of the file.
type memory map[string]feed.Contents

func recall(file string) (memory, error) {
	m := memory{}
	if file == "" {
		return m, nil
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return nil, fault.As(fault.Invalid, "app.sbom", err, "what feeds had the last time cannot be read: %v", err).At("%s", file)
	}
	return m, nil
}

// believe compares a feed with its last file, and remembers it.
func (m memory) believe(file string, now feed.Contents) error {
	name := filepath.Base(file)
	if err := feed.Believe(m[name], now); err != nil {
		return fault.As(fault.KindOf(err), "app.sbom", err, "%s", fault.PublicOf(err)).At("%s", file)
	}
	m[name] = now
	return nil
}

func (m memory) write(file string) error {
	if file == "" {
		return nil
	}
	b, err := json.Marshal(m)
	if err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		return fault.As(fault.Invalid, "app.sbom", err, "what feeds had cannot be kept: %v", err).At("%s", file)
	}
	return nil
}
