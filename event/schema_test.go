package event_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"noroshi/event"
)

// schema is OCSF 1.8.0 as its authors publish it.
type schema struct {
	t    *testing.T
	root string
	dict map[string]attribute
}

type attribute struct {
	Requirement string
	Type        string // a scalar ending in _t, or the name of an object
	IsArray     bool   `json:"is_array"`
	Enum        map[string]struct{ Caption string }
}

// described is one class, object or profile.
type described struct {
	Extends     string
	UID         int
	Attributes  map[string]json.RawMessage
	Constraints map[string][]string
}

func openSchema(t *testing.T) *schema {
	s := &schema{t: t, root: filepath.Join("..", "..", "shared", "data", "detection", "ocsf-schema")}
	if _, err := os.Stat(s.root); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("the OCSF schema is not there:", err)
	}
	var d struct{ Attributes map[string]attribute }
	s.read("dictionary.json", &d)
	s.dict = d.Attributes
	return s
}

func (s *schema) read(name string, into any) {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.root, name))
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		s.t.Fatal(name, err)
	}
}

// attributes resolves what a class or an object has: its own attributes, those
// of its profiles, and those of what it extends.
func (s *schema) attributes(name string) map[string]attribute {
	out := map[string]attribute{}
	for name != "" {
		var d described
		s.read(name, &d)
		var include []string
		if raw, ok := d.Attributes["$include"]; ok {
			if err := json.Unmarshal(raw, &include); err != nil {
				s.t.Fatal(name, err)
			}
		}
		for _, profile := range include {
			for k, a := range s.attributes(profile) {
				a.Requirement = "" // Only of events that say they have the profile.
				merge(out, k, a)
			}
		}
		for k, raw := range d.Attributes {
			var a attribute
			if k != "$include" && json.Unmarshal(raw, &a) == nil {
				merge(out, k, a)
			}
		}
		name = s.parent(filepath.Dir(name), d.Extends)
	}
	return out
}

func merge(out map[string]attribute, name string, a attribute) {
	have := out[name]
	if have.Requirement == "" {
		have.Requirement = a.Requirement
	}
	for k, v := range a.Enum {
		if have.Enum == nil {
			have.Enum = map[string]struct{ Caption string }{}
		}
		have.Enum[k] = v
	}
	out[name] = have
}

func (s *schema) parent(folder, name string) string {
	for _, f := range []string{folder, "objects", "events", "events/system", "events/network"} {
		if _, err := os.Stat(filepath.Join(s.root, f, name+".json")); name != "" && err == nil {
			return filepath.Join(f, name+".json")
		}
	}
	return ""
}

var classes = map[event.Class]string{
	event.ProcessActivity: "events/system/process_activity.json",
	event.NetworkActivity: "events/network/network_activity.json",
	event.DNSActivity:     "events/network/dns_activity.json",
}

// TestAttributesAreOCSF looks every JSON name of the model up in the class or
// the object in which it stands, with its type.
func TestAttributesAreOCSF(t *testing.T) {
	s := openSchema(t)
	top := map[string]attribute{}
	for class, file := range classes {
		var d described
		if s.read(file, &d); d.UID != int(class)%1000 {
			t.Errorf("%s is %d", file, class)
		}
		for k, a := range s.attributes(file) {
			top[k] = a
		}
	}
	s.compare(reflect.TypeFor[event.Event](), "event", top, map[string]bool{})
}

func (s *schema) compare(typ reflect.Type, at string, known map[string]attribute, seen map[string]bool) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if _, ok := known[name]; !ok {
			s.t.Errorf("%s has no attribute %s in OCSF", at, name)
			continue
		}
		a := s.dict[name]
		ft := f.Type
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		if (ft.Kind() == reflect.Slice) != a.IsArray {
			s.t.Errorf("%s.%s: a list on one side only", at, name)
		}
		if ft.Kind() == reflect.Slice {
			ft = ft.Elem()
		}
		want := reflect.String
		switch {
		case slices.Contains([]string{"integer_t", "long_t", "timestamp_t", "port_t"}, a.Type):
			want = reflect.Int
		case !strings.HasSuffix(a.Type, "_t"):
			want = reflect.Struct
		}
		got := ft.Kind()
		if got == reflect.Int64 || got == reflect.Uint64 {
			got = reflect.Int
		}
		if name != "unmapped" && got != want {
			s.t.Errorf("%s.%s is a %s, in OCSF a %s", at, name, ft, a.Type)
		}
		if got == reflect.Struct && !seen[a.Type] {
			seen[a.Type] = true
			s.compare(ft, a.Type, s.attributes("objects/"+a.Type+".json"), seen)
		}
	}
}

// TestConstantsMeanWhatOCSFSays compares the numbers in use with their captions.
func TestConstantsMeanWhatOCSFSays(t *testing.T) {
	s := openSchema(t)
	for _, c := range []struct {
		in, name string
		value    int
		caption  string
	}{
		{classes[event.ProcessActivity], "activity_id", event.ProcessLaunch, "Launch"},
		{classes[event.ProcessActivity], "activity_id", event.ProcessTerminate, "Terminate"},
		{classes[event.NetworkActivity], "activity_id", event.NetworkOpen, "Open"},
		{classes[event.NetworkActivity], "activity_id", event.NetworkClose, "Close"},
		{classes[event.NetworkActivity], "activity_id", event.NetworkFail, "Fail"},
		{classes[event.NetworkActivity], "activity_id", event.NetworkListen, "Listen"},
		{classes[event.DNSActivity], "activity_id", event.DNSQuery, "Query"},
		{classes[event.DNSActivity], "activity_id", event.DNSResponse, "Response"},
		{classes[event.DNSActivity], "activity_id", event.DNSTraffic, "Traffic"},
		{"objects/network_connection_info.json", "direction_id", event.DirectionInbound, "Inbound"},
		{"objects/network_connection_info.json", "direction_id", event.DirectionOutbound, "Outbound"},
		{"profiles/security_control.json", "action_id", event.ActionAllowed, "Allowed"},
		{"profiles/security_control.json", "action_id", event.ActionDenied, "Denied"},
		{"", "disposition_id", event.DispositionAllowed, "Allowed"},
		{"", "disposition_id", event.DispositionBlocked, "Blocked"},
	} {
		enum := s.dict[c.name].Enum
		if c.in != "" {
			for k, v := range s.attributes(c.in)[c.name].Enum {
				enum[k] = v
			}
		}
		if got := enum[strconv.Itoa(c.value)].Caption; got != c.caption {
			t.Errorf("%s %d is %q in OCSF, here %q", c.name, c.value, got, c.caption)
		}
	}
	for class, file := range classes {
		for id := range 100 {
			e := full()
			as(e, class, id)
			_, known := s.attributes(file)["activity_id"].Enum[strconv.Itoa(id)]
			if err := e.Validate(); (err == nil) != known {
				t.Errorf("the activity %d of %d is known to OCSF: %v; Validate says %v", id, class, known, err)
			}
		}
	}
}

// TestWhatOCSFRequiresIsChecked takes away each attribute that a class requires.
func TestWhatOCSFRequiresIsChecked(t *testing.T) {
	s := openSchema(t)
	for class, file := range classes {
		for name, a := range s.attributes(file) {
			// Without a severity an event has the severity 0, unknown.
			if a.Requirement != "required" || name == "severity_id" {
				continue
			}
			e := full()
			as(e, class, 1)
			line, _ := event.AppendJSON(nil, e)
			var loose map[string]json.RawMessage
			if err := json.Unmarshal(line, &loose); err != nil || loose[name] == nil {
				t.Fatalf("%d: the sample has no %s: %v", class, name, err)
			}
			delete(loose, name)
			line, _ = json.Marshal(loose)
			less, err := event.DecodeJSON(line)
			if err == nil {
				err = less.Validate()
			}
			// What is missing is seen in the attribute itself or in one that follows from it.
			if at, _, _ := strings.Cut(place(err), "."); !slices.Contains([]string{name, "type_uid"}, at) {
				t.Errorf("%d without %s: %v", class, name, err)
			}
		}
	}
}
