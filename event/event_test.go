package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
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
	many := map[string]string{}
	for i := range 101 {
		many[strconv.Itoa(i)] = ""
	}
	crowd, _ := json.Marshal(map[string]any{"unmapped": many})
	for name, c := range map[string]struct{ line, says string }{
		"unknown attribute":   {`{"surprise":1}`, "surprise"},
		"unknown, deep":       {`{"process":{"file":{"colour":1}}}`, "colour"},
		"wrong type":          {`{"class_uid":"x"}`, "class_uid"},
		"wrong type, deep":    {`{"process":{"pid":"x"}}`, "process.pid"},
		"no object":           {`[]`, "array"},
		"not JSON":            {`{`, "JSON"},
		"nothing":             {``, "JSON"},
		"an open text":        {`{"message":"`, "JSON"},
		"two values":          {string(good) + "{}", "more than one"},
		"too deep":            {strings.Repeat("[", 40), "nested"},
		"too long":            {`{"message":"` + strings.Repeat("x", event.MaxLine) + `"}`, "at most"},
		"a long text":         {`{"message":"` + strings.Repeat("x", 33<<10) + `"}`, "byte 33"},
		"twice":               {`{"time":1,"time":2}`, `"time" is there twice`},
		"twice, deep":         {`{"actor":{"user":{"name":"a","uid":"1","name":"b"}}}`, `"name" is there twice`},
		"other letters":       {`{"Class_UID":1007}`, `"Class_UID"`},
		"an escaped name":     {`{"\u0074ime":1}`, "a-z"},
		"twice in unmapped":   {`{"unmapped":{"Image":"a","\u0049mage":"b"}}`, "unmapped"},
		"crowded unmapped":    {string(crowd), "more than 100"},
		"unmapped, two parts": {`{"unmapped":{"a":"1"},"unmapped":{"b":"1"}}`, "twice"},
		"no text":             {"{\"message\":\"\xff\"}", "UTF-8"},
	} {
		_, err := event.DecodeJSON([]byte(c.line))
		if k := fault.KindOf(err); (k != fault.Invalid && k != fault.TooLarge) || !strings.Contains(fault.PublicOf(err), c.says) {
			t.Errorf("%s: %q", name, fault.PublicOf(err))
		}
	}
}

// TestSameNamesInDifferentObjectsAreFine, and so are commas and brackets in texts.
func TestSameNamesInDifferentObjectsAreFine(t *testing.T) {
	line := `{"src_endpoint":{"ip":"192.0.2.1"},"dst_endpoint":{"ip":"192.0.2.2"},"answers":[{"rdata":"a","ttl":1},{"rdata":"b","ttl":2}],` +
		`"message":"{\"ip\",[\\","unmapped":{"ip":"x","Class_UID":"{","\"":","}}`
	e, err := event.DecodeJSON([]byte(line))
	if err != nil || e.DstEndpoint.IP != "192.0.2.2" || e.Answers[1].TTL != 2 || e.Message != `{"ip",[\` || e.Unmapped[`"`] != "," {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestNothingIsWrittenThatCannotBeRead: the node that made an oversized event
// refuses it, and the hub is not asked to.
func TestNothingIsWrittenThatCannotBeRead(t *testing.T) {
	many := map[string]string{}
	for i := range 101 {
		many[strconv.Itoa(i)] = ""
	}
	deep := &event.Process{PID: 1}
	for range 20 {
		deep = &event.Process{PID: 1, ParentProcess: deep}
	}
	for name, e := range map[string]*event.Event{
		"a long text": {Message: strings.Repeat("x", 33<<10)}, "escapes": {Message: strings.Repeat("\x01", 8<<10)},
		"many names": {Unmapped: many}, "deep": {Process: deep},
		"long in all": {Message: strings.Repeat("x", 30<<10), RCode: strings.Repeat("x", 30<<10), Query: &event.DNSQueryInfo{Hostname: strings.Repeat("x", 30<<10)}},
	} {
		dst, err := event.AppendJSON([]byte("before"), e)
		if fault.KindOf(err) != fault.TooLarge || string(dst) != "before" {
			t.Errorf("%s: %d bytes, %v", name, len(dst), err)
		}
	}
	dst, err := event.AppendJSON([]byte("before"), &event.Event{Message: "a<b && c\xff"})
	if err != nil || !bytes.HasPrefix(dst, []byte(`before{`)) || !bytes.Contains(dst, []byte(`"a<b && c`)) {
		t.Errorf("%s, %v", dst, err)
	} else if e, err := event.DecodeJSON(dst[6:]); err != nil || e.Message != "a<b && c\ufffd" {
		t.Errorf("%+v, %v", e, err)
	}
}

// as makes an event one of another class.
func as(e *event.Event, class event.Class, activity int) {
	e.ClassUID, e.ActivityID = class, activity
	e.Finish()
}

func TestValidateNamesTheAttribute(t *testing.T) {
	for place, spoil := range map[string]func(*event.Event){
		"class_uid": func(e *event.Event) { e.ClassUID = 1 }, "type_uid": func(e *event.Event) { e.TypeUID++ }, "category_uid": func(e *event.Event) { e.CategoryUID = 9 },
		"activity_id":                func(e *event.Event) { e.ActivityID, e.TypeUID = 42, 100742 },
		"severity_id":                func(e *event.Event) { e.SeverityID = 7 },
		"response_time":              func(e *event.Event) { e.ResponseTime = -1 },
		"device":                     func(e *event.Event) { e.Device = nil },
		"actor":                      func(e *event.Event) { e.Actor = nil },
		"process.parent_process.pid": func(e *event.Event) { e.Process.ParentProcess.PID = -1 },
		"query.hostname":             func(e *event.Event) { as(e, event.DNSActivity, event.DNSQuery); e.Query.Hostname = "" },
		"dst_endpoint": func(e *event.Event) {
			as(e, event.NetworkActivity, event.NetworkOpen)
			e.SrcEndpoint, e.DstEndpoint = nil, nil
		},
		"src_endpoint":         func(e *event.Event) { as(e, event.NetworkActivity, event.NetworkOpen); e.SrcEndpoint.IP = "" },
		"src_endpoint.port":    func(e *event.Event) { as(e, event.NetworkActivity, event.NetworkOpen); e.SrcEndpoint.Port = 65536 },
		"dst_endpoint.ip":      func(e *event.Event) { as(e, event.DNSActivity, event.DNSQuery); e.DstEndpoint.IP = "010.1.1.1" },
		"metadata.logged_time": func(e *event.Event) { e.Metadata.LoggedTime = -1 },
		"time":                 func(e *event.Event) { e.Time = 0 }, "metadata.version": func(e *event.Event) { e.Metadata.Version = "1.0.0" }, "metadata.uid": func(e *event.Event) { e.Metadata.UID = "a b" },
		"metadata.tenant_uid": func(e *event.Event) { e.Metadata.Tenant = "x" }, "metadata.reporter.uid": func(e *event.Event) { e.Metadata.Reporter.UID = "" }, "process": func(e *event.Event) { e.Process = nil },
	} {
		e := full()
		spoil(e)
		if says := fault.PublicOf(e.Validate()); !strings.HasPrefix(says, place+": ") {
			t.Errorf("%s says %q", place, says)
		}
	}
}

func FuzzDecodeJSON(f *testing.F) {
	b, _ := event.AppendJSON(nil, full())
	f.Add(b)
	f.Add([]byte(`{"class_uid":4003,"query":{"hostname":"x"}}`))
	f.Add([]byte(`{"unmapped":{"a\u0062":"\ud800","\"":"x"},"answers":[{"rdata":"","ttl":-1}]}`))
	f.Add([]byte(`{"process":{"parent_process":{"parent_process":{"pid":1}}},"exit_code":null,"metadata":{"sequence":18446744073709551615}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := event.DecodeJSON(b)
		if err != nil {
			return
		}
		_ = e.Validate()
		_ = e.Summary()
		e.Flatten(func(string, string) {})
		once, err := event.AppendJSON(nil, e)
		if fault.KindOf(err) == fault.TooLarge {
			return // It grew over a limit by being escaped.
		}
		if err != nil {
			t.Fatalf("%s cannot be written again: %v", b, err)
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

func BenchmarkAppendJSON(b *testing.B) {
	e := full()
	var buf []byte
	for b.Loop() {
		buf, _ = event.AppendJSON(buf[:0], e)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecodeJSON(b *testing.B) {
	line, _ := event.AppendJSON(nil, full())
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if _, err := event.DecodeJSON(line); err != nil {
			b.Fatal(err)
		}
	}
}

func place(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return ""
	}
	return f.Place
}
