package main

import (
	"archive/zip"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"noroshi/bom"
)

// answer is that one advisory hits one release in one system.
type answer struct{ system, pkg, version, advisory string }

// compare counts which answers of osv-scanner were given here too, and why there
// are others. Its answers that name an advisory which the files do not have (they
// are a part of those it had) cannot be given and are left out, which is said.
func compare(f *figures, answers string, advisories []string, results []result) error {
	known, err := parts(advisories)
	if err != nil {
		return err
	}
	theirs, without, err := scanner(answers, known)
	if err != nil {
		return err
	}
	ours := map[answer]bool{}
	for _, r := range results {
		for _, h := range r.Hits {
			p, err := bom.ParsePURL(h.PURL)
			if err != nil {
				return err
			}
			for _, by := range h.By {
				ours[answer{r.System, p.Package(), strings.TrimPrefix(p.Version, "v"), by}] = true
			}
		}
	}
	found := 0
	for a := range theirs {
		if ours[a] {
			found++
		} else {
			fmt.Println("missed:", a)
		}
	}
	f.Recall = float64(found) / float64(len(theirs))
	reasons := map[string]int{}
	for a := range ours {
		if !theirs[a] {
			reasons[explain(a, known[a.advisory])]++
		}
	}
	f.Unexplained = reasons[unexplained]
	fmt.Printf("osv-scanner: %d answers (and %d of advisories that are not in the files), %d given here too\n", len(theirs), without, found)
	for why, n := range reasons {
		fmt.Printf("%d answers more: %s\n", n, why)
	}
	return nil
}

// scanner reads osv-scanner's answers.
func scanner(name string, known map[string]*advisory) (theirs map[answer]bool, without int, err error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = in.Close() }()
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, 0, err
	}
	var list []struct {
		SBOM string      `json:"sbom"`
		Hits [][4]string `json:"hits"` // ecosystem, package, version, advisory
	}
	if err := json.NewDecoder(z).Decode(&list); err != nil {
		return nil, 0, err
	}
	theirs = map[answer]bool{}
	for _, x := range list {
		for _, h := range x.Hits {
			if known[h[3]] == nil {
				without++
				continue
			}
			system, _, _ := strings.Cut(x.SBOM, ".")
			theirs[answer{system, normal(h[0], h[1]), strings.TrimPrefix(h[2], "v"), h[3]}] = true
		}
	}
	return theirs, without, nil
}

// normal is a package as package URLs write it.
func normal(ecosystem, name string) string {
	typ := map[string]string{"Go": "golang", "PyPI": "pypi"}[ecosystem]
	return bom.PURL{Type: typ, Name: name}.Normal().Package()
}

// advisory is what an explanation needs: the order of ranges as it is written.
type advisory struct {
	ID       string `yaml:"id"`
	Affected []struct {
		Package struct{ Ecosystem, Name string }
		Ranges  []struct{ Type string }
		// As text: a version 1.10 is no number.
		Versions []yaml.Node
	} `yaml:"affected"`
}

// parts reads the advisories anew, by a reader that is not the one measured:
// JSON is YAML.
func parts(files []string) (map[string]*advisory, error) {
	known := map[string]*advisory{}
	for _, name := range files {
		z, err := zip.OpenReader(name)
		if err != nil {
			return nil, err
		}
		for _, e := range z.File {
			if ext := path.Ext(e.Name); ext != ".json" && ext != ".yaml" {
				continue
			}
			in, err := e.Open()
			if err != nil {
				return nil, err
			}
			b, err := io.ReadAll(in)
			if err != nil {
				return nil, err
			}
			var a advisory
			if err := yaml.Unmarshal(b, &a); err != nil {
				return nil, fmt.Errorf("%s: %w", e.Name, err)
			}
			known[a.ID] = &a
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
	}
	return known, nil
}

const unexplained = "UNEXPLAINED"

// explain says why osv-scanner does not give an answer that is given here.
func explain(a answer, adv *advisory) string {
	for _, p := range adv.Affected {
		if normal(p.Package.Ecosystem, p.Package.Name) != a.pkg {
			continue
		}
		enumerated := slices.ContainsFunc(p.Versions, func(v yaml.Node) bool { return v.Value == a.version })
		git := slices.IndexFunc(p.Ranges, func(r struct{ Type string }) bool { return r.Type == "GIT" })
		other := slices.IndexFunc(p.Ranges, func(r struct{ Type string }) bool { return r.Type != "GIT" })
		if !enumerated && git >= 0 && other > git {
			return "the version is in a range that stands behind one of commits, where osv-scanner 2.4.0 does not look, and is not enumerated"
		}
	}
	return unexplained
}
