package event_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"noroshi/event"
	"noroshi/fault"
)

func full() *event.Event {
	code, rcode := 3, 0
	p := &event.Process{PID: 7, UID: "7-x", Name: "sh", CmdLine: "sh -c 狼煙", File: &event.File{Path: "/bin/sh", Name: "sh", TypeID: 1, Hashes: []event.Fingerprint{{AlgorithmID: 3, Value: "ab"}}},
		User: &event.User{Name: "root", UID: "0"}, ParentProcess: &event.Process{PID: 1, Name: "init"}}
	e := &event.Event{ClassUID: event.ProcessActivity, ActivityID: event.ProcessLaunch, Time: 1_700_000_000_000, Process: p, ExitCode: &code,
		Metadata: event.Metadata{UID: "nod_a.1", Sequence: 1, Tenant: "org_a", Reporter: event.Reporter{UID: "nod_a", Hostname: "h"}, Product: event.Product{Name: "Noroshi", VendorName: "Noroshi"}, Provider: event.TierEBPF},
		Device:   &event.Device{Hostname: "h", OS: &event.OS{Name: "Linux", TypeID: 200}}, Actor: &event.Actor{Process: p, User: p.User},
		SrcEndpoint: &event.Endpoint{IP: "192.0.2.1", Port: 1}, DstEndpoint: &event.Endpoint{IP: "192.0.2.2", Port: 2, Hostname: "x.test"},
		ConnectionInfo: &event.ConnectionInfo{ProtocolName: "tcp", ProtocolNum: 6, DirectionID: 2}, Query: &event.DNSQueryInfo{Hostname: "x.test", Type: "A", Class: "IN"},
		Answers: []event.DNSAnswer{{RData: "192.0.2.3", Type: "A", Class: "IN", TTL: 60}}, RCode: "NOERROR", RCodeID: &rcode, ActionID: 1, DispositionID: 1,
		Policy: &event.Policy{UID: "ind_1", Name: "x", Desc: "y"}, Unmapped: map[string]string{"Image": "/bin/sh"}}
	e.Finish()
	return e
}

func TestJSONKeepsEverything(t *testing.T) {
	e := full()
	b, err := event.AppendJSON(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	back, err := event.DecodeJSON(b)
	if err != nil || !reflect.DeepEqual(e, back) {
		t.Errorf("%+v became %+v, %v", e, back, err)
	}
	if err := back.Validate(); err != nil {
		t.Error(err)
	}
}

func TestRefusalsNameThePlace(t *testing.T) {
	good, _ := event.AppendJSON(nil, full())
	for name, c := range map[string]struct{ line, says string }{
		"unknown attribute": {`{"surprise":1}`, "surprise"},
		"wrong type":        {`{"class_uid":"x"}`, "class_uid"},
		"not JSON":          {`{`, "JSON"},
		"two values":        {string(good) + "{}", "more than one"},
		"too deep":          {strings.Repeat("[", 40), "nested"},
		"too long":          {`{"message":"` + strings.Repeat("x", event.MaxLine) + `"}`, "at most"},
	} {
		_, err := event.DecodeJSON([]byte(c.line))
		if k := fault.KindOf(err); (k != fault.Invalid && k != fault.TooLarge) || !strings.Contains(fault.PublicOf(err), c.says) {
			t.Errorf("%s: %q", name, fault.PublicOf(err))
		}
	}
}

func TestValidateNamesTheAttribute(t *testing.T) {
	for place, spoil := range map[string]func(*event.Event){
		"class_uid": func(e *event.Event) { e.ClassUID = 1 }, "type_uid": func(e *event.Event) { e.TypeUID++ }, "category_uid": func(e *event.Event) { e.CategoryUID = 9 },
		"time": func(e *event.Event) { e.Time = 0 }, "metadata.version": func(e *event.Event) { e.Metadata.Version = "1.0.0" }, "metadata.uid": func(e *event.Event) { e.Metadata.UID = "" },
		"metadata.tenant_uid": func(e *event.Event) { e.Metadata.Tenant = "x" }, "metadata.reporter.uid": func(e *event.Event) { e.Metadata.Reporter.UID = "" }, "process": func(e *event.Event) { e.Process = nil },
	} {
		e := full()
		spoil(e)
		if says := fault.PublicOf(e.Validate()); !strings.HasPrefix(says, place) {
			t.Errorf("%s says %q", place, says)
		}
	}
}

// TestAttributesAreOCSF looks every JSON name of the model up in the schema's
// dictionary.
func TestAttributesAreOCSF(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "shared", "data", "detection", "ocsf-schema", "dictionary.json"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("the OCSF schema is not there:", err)
	}
	var dict struct{ Attributes map[string]any }
	if err := json.Unmarshal(b, &dict); err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if _, ok := dict.Attributes[name]; !ok {
				t.Errorf("%s.%s is no attribute of OCSF", typ.Name(), name)
			}
			walk(typ.Field(i).Type)
		}
	}
	walk(reflect.TypeFor[event.Event]())
}

func FuzzDecodeJSON(f *testing.F) {
	b, _ := event.AppendJSON(nil, full())
	f.Add(b)
	f.Add([]byte(`{"class_uid":4003,"query":{"hostname":"x"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := event.DecodeJSON(b)
		if err != nil {
			return
		}
		_ = e.Validate()
		_ = e.Summary()
		e.Flatten(func(string, string) {})
		once, err := event.AppendJSON(nil, e)
		if err != nil {
			return // It grew over the limit by being escaped.
		}
		back, err := event.DecodeJSON(once)
		if err != nil {
			t.Fatalf("%s cannot be read again: %v", once, err)
		}
		if twice, _ := event.AppendJSON(nil, back); !bytes.Equal(once, twice) {
			t.Errorf("%s became %s", once, twice)
		}
	})
}
