package csaf

import (
	"archive/zip"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"noroshi/fault"
)

// unchecked are the mandatory tests of the standard whose failing would mislead
// nobody here: by the number of the test, why.
var unchecked = map[string]string{
	"6-1-08-03": "CVSS 2 is not used", "6-1-09-02": "CVSS 2 is not used", "6-1-09-03": "temporal scores are not used",
	"6-1-11": "names of CWE are not used", "6-1-12": "languages are not used", "6-1-15": "translators are not used",
	"6-1-24": "involvements are not used", "6-1-25": "hashes of files are not used", "6-1-26": "other categories promise nothing",
	"6-1-27-01": "notes of the document are not used", "6-1-27-02": "references are not used", "6-1-28": "languages are not used",
}

func TestTheStandardsOwnExamples(t *testing.T) {
	file := filepath.Join("..", "..", "..", "shared", "data", "exposure", "csaf-testdata.zip")
	z, err := zip.OpenReader(file)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("the examples are not there:", err)
	}
	defer func() { _ = z.Close() }()
	of := regexp.MustCompile(`2021-(6-[123]-.*)-(\d\d)\.json$`)
	accepted, refused := 0, 0
	for _, f := range z.File {
		m := of.FindStringSubmatch(f.Name)
		if m == nil || !strings.HasPrefix(f.Name, "csaf_2.0/") {
			continue
		}
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		test, number := m[1], m[2]
		_, err = Read(b)
		// Numbers from 11 on are the valid examples; optional and informative
		// tests make no document invalid.
		if number >= "11" || !strings.HasPrefix(test, "6-1-") {
			if accepted++; err != nil {
				t.Errorf("%s is refused: %v", path.Base(f.Name), err)
			}
			continue
		}
		if unchecked[test] != "" || unchecked[test+"-"+number] != "" {
			continue
		}
		if refused++; err == nil {
			t.Errorf("%s is accepted", path.Base(f.Name))
		} else if e, ok := err.(*fault.Error); !ok || e.Kind != fault.Invalid || e.Place == "" && !strings.Contains(e.Public, "parsing time") {
			t.Errorf("%s is refused without a place: %v", path.Base(f.Name), err)
		}
	}
	if accepted < 100 || refused < 50 {
		t.Errorf("only %d valid and %d invalid documents were read", accepted, refused)
	}
}

// advisory is one with a range, a component of a product, and a decision.
const advisory = `{"document":{"category":"csaf_vex","csaf_version":"2.0","title":"t","publisher":{"category":"vendor","name":"Maker","namespace":"https://maker.example"},
"tracking":{"id":"M-1","status":"final","version":"1","current_release_date":"2026-01-02T00:00:00Z","initial_release_date":"2026-01-02T00:00:00Z","revision_history":[{"date":"2026-01-02T00:00:00Z","number":"1"}]}},
"product_tree":{"branches":[{"category":"vendor","name":"Maker","branches":[{"category":"product_version_range","name":"vers:npm/<2.0.1","product":{"product_id":"left","name":"left","product_identification_helper":{"purl":"pkg:npm/left"}}}]}],
"full_product_names":[{"product_id":"shop","name":"shop"}],"product_groups":[{"group_id":"all","product_ids":["left","shop"]}],
"relationships":[{"product_reference":"left","relates_to_product_reference":"shop","category":"default_component_of","full_product_name":{"product_id":"left-in-shop","name":"left in shop"}}]},
"vulnerabilities":[{"cve":"CVE-2026-1000","notes":[{}],"product_status":{"known_affected":["left"],"known_not_affected":["left-in-shop"]},
"flags":[{"label":"component_not_present","product_ids":["left-in-shop"]}],"remediations":[{"category":"workaround","details":"wait","product_ids":["left"]},{"category":"vendor_fix","details":"take 2.0.1","group_ids":["all"]}]}]}`

func TestWhatIsTaken(t *testing.T) {
	d, err := Read([]byte(advisory))
	if err != nil {
		t.Fatal(err)
	}
	v := d.Vulnerabilities[0]
	r, ok := d.Products["left"].Versions()
	label, _ := v.WhyNot("left-in-shop")
	if !ok || !r.Contains("2.0.0") || r.Contains("2.0.1") || d.Products["left-in-shop"].Of != "shop" || label != "component_not_present" || v.WhatToDo("left") != "take 2.0.1" {
		t.Errorf("%+v", d)
	}
	for place, change := range map[string][2]string{
		"/vulnerabilities[0]/product_status/known_affected": {`"known_affected":["left"]`, `"known_affected":["right"]`},
		"/vulnerabilities[0]/product_status":                {`"known_affected":["left"]`, `"known_affected":["left-in-shop"]`},
		"/product_tree/relationships[0]":                    {`"product_reference":"left"`, `"product_reference":"left-in-shop"`},
		"/document/tracking/version":                        {`"version":"1"`, `"version":"2"`},
		"/vulnerabilities[0]":                               {`"flags"`, `"flogs"`},
		"/product_tree/branches[0]/branches[0]/product":     {`pkg:npm/left`, `npm/left`},
		"/vulnerabilities[0]/remediations[1]":               {`"group_ids":["all"]`, `"group_ids":["none"]`},
		"/product_tree/full_product_names[0]":               {`"product_id":"shop"`, `"product_id":""`},
		"/document/csaf_version":                            {`"csaf_version":"2.0"`, `"csaf_version":"3.0"`},
	} {
		_, err := Read([]byte(strings.Replace(advisory, change[0], change[1], 1)))
		if e, ok := err.(*fault.Error); !ok || e.Place != place {
			t.Errorf("%s: %v", place, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(advisory))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Read(b)
		if err != nil {
			return
		}
		for _, v := range d.Vulnerabilities {
			for _, ids := range v.Status {
				for _, id := range ids {
					if _, ok := d.Products[id]; !ok {
						t.Errorf("%q is defined nowhere", id)
					}
				}
			}
		}
	})
}
