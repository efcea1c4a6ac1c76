package event

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"
)

// whole is an event with every attribute set.
func whole() *Event {
	zero := 0
	p := func(name string) *Process {
		return &Process{PID: 1234, UID: "1234-5", Name: name, CmdLine: name + " -s http://example.test/x", WorkingDirectory: "/root", Integrity: "high",
			CreatedTime: 11, TerminatedTime: 12, User: &User{Name: "root", UID: "0", Domain: "d"},
			File: &File{Path: "/usr/bin/" + name, Name: name, TypeID: 1, Hashes: []Fingerprint{{3, "aa"}, {1, "bb"}, {9, "cc"}, {3, "dd"}}}}
	}
	e := &Event{ClassUID: ProcessActivity, ActivityID: ProcessLaunch, Time: 1700000000000,
		Metadata: Metadata{UID: "nod_a.0", Tenant: "org_a", Reporter: Reporter{UID: "nod_a", Hostname: "h"}, Provider: TierEBPF,
			Product: Product{"n", "v", "1", Feature{"f"}}, Profiles: []string{"host", "security_control"}, Labels: []string{"realm:exercise"}, LoggedTime: 13},
		Device: &Device{Hostname: "h", UID: "u", IP: "192.0.2.9", TypeID: 2, OS: &OS{"Debian", 200}},
		Actor:  &Actor{Process: p("bash"), User: &User{Name: "root"}}, Process: p("curl"), ExitCode: &zero,
		SrcEndpoint: &Endpoint{IP: "192.0.2.1", Port: 1}, DstEndpoint: &Endpoint{IP: "198.51.100.7", Port: 443, Hostname: "example.test"},
		ConnectionInfo: &ConnectionInfo{ProtocolName: "tcp", ProtocolNum: 6, DirectionID: DirectionOutbound, UID: "c"},
		Query:          &DNSQueryInfo{Hostname: "example.test", Type: "A", Class: "IN"},
		Answers:        []DNSAnswer{{"cdn.example.test.", "CNAME", "IN", 60}, {"198.51.100.7", "A", "IN", 30}}, RCode: "NOERROR", RCodeID: &zero, ResponseTime: 14,
		ActionID: ActionDenied, DispositionID: DispositionBlocked, Policy: &Policy{"ind_1", "n", "d"}, Message: "m", Unmapped: map[string]string{"Image": "C:\\x", "A": "b"}}
	e.Process.ParentProcess, e.Actor.Process.ParentProcess = p("sh"), p("sshd")
	e.Finish()
	return e
}

func flat(t testing.TB, e *Event) map[string]string {
	t.Helper()
	m, last := map[string]string{}, ""
	e.Flatten(func(k, v string) {
		if k < last {
			t.Errorf("%s comes after %s", k, last)
		}
		last = k
		if _, twice := m[k]; twice {
			t.Errorf("%s is handed out twice", k)
		}
		if v == "" {
			t.Errorf("%s is handed out empty", k)
		}
		m[k] = v
	})
	return m
}

func TestFlattenNames(t *testing.T) {
	m := flat(t, whole())
	for k, v := range map[string]string{
		"process.cmd_line": "curl -s http://example.test/x", "process.parent_process.file.path": "/usr/bin/sh", "process.pid": "1234",
		"process.file.hashes.sha256": "aa dd", "process.file.hashes.md5": "bb", "process.file.hashes.other": "cc", "process.user.name": "root",
		"actor.process.name": "bash", "actor.process.parent_process.name": "sshd", "query.hostname": "example.test",
		"answers.rdata": "cdn.example.test. 198.51.100.7", "answers.type": "CNAME A", "answers.ttl": "60 30", "dst_endpoint.ip": "198.51.100.7",
		"dst_endpoint.port": "443", "metadata.uid": "nod_a.0", "metadata.sequence": "0", "metadata.profiles": "host security_control",
		"unmapped.Image": `C:\x`, "exit_code": "0", "rcode_id": "0", "device.os.name": "Debian", "class_uid": "1007", "type_uid": "100701",
	} {
		if m[k] != v {
			t.Errorf("%s is %q, want %q", k, m[k], v)
		}
	}
	if len(flat(t, &Event{})) != 1 {
		t.Error("the empty event has more than its sequence")
	}
}

// TestFlattenLeavesNothingOut walks the JSON of the whole event: each attribute
// of it must be handed out, so that a new one is not forgotten.
func TestFlattenLeavesNothingOut(t *testing.T) {
	b, err := json.Marshal(whole())
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	m := flat(t, whole())
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				walk(strings.TrimPrefix(at+"."+k, "."), x)
			}
		case []any:
			if strings.HasSuffix(at, "hashes") {
				return // By algorithm; TestFlattenNames.
			}
			for _, x := range v {
				walk(at, x)
			}
		default:
			if _, ok := m[at]; !ok && at != "time" {
				t.Errorf("%s is left out", at)
			}
		}
	}
	walk("", tree)
	// And whole is whole: no field of the event is zero.
	v := reflect.ValueOf(*whole())
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() && v.Field(i).IsZero() {
			t.Errorf("the test does not set %s", v.Type().Field(i).Name)
		}
	}
}

func TestFlattenNormalises(t *testing.T) {
	e := &Event{Query: &DNSQueryInfo{Hostname: "Evil.TEST"}, DstEndpoint: &Endpoint{IP: "::FFFF:192.0.2.1", Hostname: "Evil.TEST"}, SrcEndpoint: &Endpoint{IP: "2001:DB8:0:0::1%eth0"},
		Answers: []DNSAnswer{{RData: "CDN.Evil.TEST.", Type: "CNAME"}, {RData: "2001:DB8::1", Type: "AAAA"}, {RData: "Ab=", Type: "TXT"}},
		Process: &Process{CmdLine: "CURL Evil.TEST", File: &File{Hashes: []Fingerprint{{1, "AABB"}}}}, Device: &Device{IP: "not:an:address"}}
	m := flat(t, e)
	for k, v := range map[string]string{"query.hostname": "evil.test", "dst_endpoint.ip": "192.0.2.1", "dst_endpoint.hostname": "evil.test", "src_endpoint.ip": "2001:db8::1",
		"answers.rdata": "cdn.evil.test. 2001:db8::1 Ab=", "process.file.hashes.md5": "aabb", "process.cmd_line": "CURL Evil.TEST", "device.ip": "not:an:address"} {
		if m[k] != v {
			t.Errorf("%s is %q, want %q", k, m[k], v)
		}
	}
}

func TestSummary(t *testing.T) {
	code := 1
	curl := &Process{Name: "curl", PID: 1234, CmdLine: "curl -s http://example.test", User: &User{Name: "root"}}
	for want, e := range map[string]*Event{
		"curl (1234) ran by root: curl -s http://example.test": {ClassUID: ProcessActivity, ActivityID: ProcessLaunch, Process: curl},
		"curl (1234) ended with 1":                             {ClassUID: ProcessActivity, ActivityID: ProcessTerminate, Process: curl, ExitCode: &code},
		"/x ran":                                               {ClassUID: ProcessActivity, ActivityID: ProcessLaunch, Process: &Process{File: &File{Path: "/x"}}},
		"dns A example.test → NXDOMAIN (blocked)": {ClassUID: DNSActivity, Query: &DNSQueryInfo{Hostname: "example.test", Type: "A"},
			RCode: "NXDOMAIN", DispositionID: DispositionBlocked},
		"dns A example.test → 192.0.2.1 and 1 more": {ClassUID: DNSActivity, Query: &DNSQueryInfo{Hostname: "example.test", Type: "A"},
			RCode: "NOERROR", Answers: []DNSAnswer{{RData: "192.0.2.1"}, {RData: "192.0.2.2"}}},
		"python3 (7) → 198.51.100.7:443/tcp": {ClassUID: NetworkActivity, ActivityID: NetworkOpen, Actor: &Actor{Process: &Process{Name: "python3", PID: 7}},
			DstEndpoint: &Endpoint{IP: "198.51.100.7", Port: 443}, ConnectionInfo: &ConnectionInfo{ProtocolName: "tcp", DirectionID: DirectionOutbound}},
		"← [2001:db8::1]:22/tcp": {ClassUID: NetworkActivity, SrcEndpoint: &Endpoint{IP: "2001:db8::1", Port: 22},
			ConnectionInfo: &ConnectionInfo{ProtocolName: "tcp", DirectionID: DirectionInbound}},
		"nc (9) listens on 0.0.0.0:4444": {ClassUID: NetworkActivity, ActivityID: NetworkListen, Actor: &Actor{Process: &Process{Name: "nc", PID: 9}},
			SrcEndpoint: &Endpoint{IP: "0.0.0.0", Port: 4444}},
		"→ ? (failed)": {ClassUID: NetworkActivity, ActivityID: NetworkFail},
		"a b c":        {ClassUID: ProcessActivity, Message: "a\nb\u202ec"},
	} {
		if got := e.Summary(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	long := &Event{Message: strings.Repeat("あ", 1000)}
	if s := long.Summary(); len(s) > maxSummary+3 || !strings.HasSuffix(s, "あ…") {
		t.Errorf("%d bytes: %q", len(s), s)
	}
}

// FuzzFlatten holds what others rely on for whatever a line decodes to: each
// name once, nothing empty, one line of text.
func FuzzFlatten(f *testing.F) {
	b, err := json.Marshal(whole())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"class_uid":1007,"process":{"cmd_line":"a\nb\u0000","file":{"hashes":[{"algorithm_id":-1},{"algorithm_id":2,"value":"x"}]}},"unmapped":{"":"x","uid":""}}`))
	f.Add([]byte(`{"class_uid":4003,"query":{},"answers":[{},{"rdata":""}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := DecodeJSON(line)
		if err != nil {
			return
		}
		flat(t, e)
		if s := e.Summary(); strings.ContainsFunc(s, unicode.IsControl) || len(s) > maxSummary+3 {
			t.Errorf("the summary is %q", s)
		}
	})
}

func BenchmarkFlatten(b *testing.B) {
	e := whole()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		e.Flatten(func(k, v string) { n += len(k) + len(v) })
	}
	b.ReportMetric(float64(n)/float64(b.N), "B/event")
}

func BenchmarkSummary(b *testing.B) {
	e := whole()
	b.ReportAllocs()
	for b.Loop() {
		e.Summary()
	}
}
