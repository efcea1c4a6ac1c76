package sigma_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"noroshi/analyse/sigma"
	"noroshi/fault"
)

// corpus is SigmaHQ's public rules, which are not part of the project.
func corpus(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data", "detection", "sigmahq")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("SigmaHQ's rules are not there:", err)
	}
	return dir
}

// TestEveryPublicRuleIsReadOrRefusedWithItsReason reads the live rules.
func TestEveryPublicRuleIsReadOrRefusedWithItsReason(t *testing.T) {
	read, refused := 0, map[string]int{}
	for _, dir := range []string{"rules", "rules-emerging-threats", "rules-threat-hunting"} {
		err := filepath.WalkDir(filepath.Join(corpus(t), dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(name) != ".yml" {
				return err
			}
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if _, err := sigma.Parse(filepath.Base(name), b); err != nil {
				if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
					t.Errorf("%s: %v", name, err)
				}
				_, why, _ := strings.Cut(fault.PublicOf(err), ": ")
				refused[why]++
				return nil
			}
			read++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("read %d rules; refused: %v", read, refused)
	if read < 3740 {
		t.Errorf("only %d of 3,754 rules were read", read)
	}
}

// TestPublicRulesMatchTheEventsOfTheirAuthors evaluates each rule on the event
// that its author recorded for it, without regard to the logsource.
func TestPublicRulesMatchTheEventsOfTheirAuthors(t *testing.T) {
	dir := corpus(t)
	rules := map[string]*sigma.Rule{}
	for _, sub := range []string{"rules", "rules-emerging-threats", "rules-threat-hunting"} {
		_ = filepath.WalkDir(filepath.Join(dir, sub), func(name string, _ fs.DirEntry, _ error) error {
			if b, err := os.ReadFile(name); err == nil && filepath.Ext(name) == ".yml" {
				if r, err := sigma.Parse(filepath.Base(name), b); err == nil {
					rules[r.ID] = r
				}
			}
			return nil
		})
	}
	tried, missed := 0, []string{}
	err := filepath.WalkDir(filepath.Join(dir, "regression_data"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".json" {
			return err
		}
		id := strings.TrimSuffix(filepath.Base(name), ".json")
		r, ok := rules[id]
		if !ok {
			return nil
		}
		tried++
		for _, f := range readEvents(t, name) {
			if _, ok := r.Match(f); ok {
				return nil
			}
		}
		missed = append(missed, r.Title)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d rules match their events; missed: %q", tried-len(missed), tried, missed)
	if tried < 100 || len(missed) > 1 {
		t.Errorf("%d rules of %d miss their events", len(missed), tried)
	}
}

// readEvents flattens Windows events: one JSON value, or several.
func readEvents(t *testing.T, name string) []fields {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out []fields
	d := json.NewDecoder(f)
	d.UseNumber()
	for d.More() {
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, x := range list {
			e := fields{}
			flatten(e, "", x)
			out = append(out, e)
		}
	}
	return out
}

var hexNumber = regexp.MustCompile(`^0x[0-9a-fA-F]+$`)

func flatten(e fields, key string, v any) {
	switch x := v.(type) {
	case map[string]any:
		if name, ok := x["Name"].(string); ok && key == "#attributes" {
			e["Provider_Name"] = name
		}
		for k, y := range x {
			flatten(e, k, y)
		}
	case []any:
		for _, y := range x {
			flatten(e, key, y)
		}
	case nil:
	default:
		s := fmt.Sprint(x)
		if hexNumber.MatchString(s) {
			s = strings.ToLower(s)
		}
		e[key] = s
	}
}
