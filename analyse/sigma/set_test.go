package sigma_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"noroshi/analyse/sigma"
	"noroshi/event"
	"noroshi/fault"
)

func titled(id, logsource, detection string) string {
	return "title: t\nid: " + id + "\nlogsource: {" + logsource + "}\ndetection: {" + detection + "}\n"
}

func TestSetKeepsRefusedRulesWithTheirReasons(t *testing.T) {
	s := &sigma.Set{}
	const any = "s: {A: x}, condition: s"
	refused, err := s.LoadFS(fstest.MapFS{
		"good.yml":      {Data: []byte(titled("1", "category: dns", any))},
		"two.yml":       {Data: []byte(titled("2", "category: process_creation", any) + "---\n" + titled("3", "category: dns_query", "s: {A|odd: x}, condition: s") + "---\n" + titled("4", "category: network_connection", any))},
		"same.yml":      {Data: []byte(titled("2", "category: process_creation", any))},
		"elsewhere.yml": {Data: []byte(titled("5", "product: aws, service: cloudtrail", any))},
		"broken.yml":    {Data: []byte("title: [")},
		"huge.yml":      {Data: make([]byte, sigma.MaxFile+1)},
		"note.txt":      {Data: []byte("no rule")},
	})
	if err != nil || s.Len() != 3 {
		t.Fatalf("%d rules were taken, not 3: %v", s.Len(), err)
	}
	var got []string
	for _, r := range refused {
		got = append(got, r.File+" "+fault.KindOf(r.Err).String())
		if !strings.Contains(fault.PublicOf(r.Err), r.File) {
			t.Errorf("%s: %q does not name the file", r.File, fault.PublicOf(r.Err))
		}
	}
	// Of two files with one id the first in the order of names stands.
	want := []string{"broken.yml invalid", "elsewhere.yml not_found", "huge.yml too_large", "two.yml invalid", "two.yml conflict"}
	if !slices.Equal(got, want) {
		t.Errorf("refused: %q, not %q", got, want)
	}
}

func TestRulesSeeTheEventsOfTheirLogsource(t *testing.T) {
	s := &sigma.Set{}
	for id, src := range map[string]string{"win": "category: process_creation, product: windows", "lin": "category: process_creation, product: linux",
		"all": "category: process_creation", "net": "category: network_connection, product: linux", "dns": "category: dns", "dnsq": "category: dns_query, product: windows"} {
		r, err := sigma.Parse(id, []byte(titled(id, src, "s: {class_uid|exists: true}, condition: s")))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	of := func(c event.Class, activity, os int) *event.Event {
		e := &event.Event{ClassUID: c, ActivityID: activity}
		if os != 0 {
			e.Device = &event.Device{OS: &event.OS{TypeID: os}}
		}
		return e
	}
	for _, c := range []struct {
		e    *event.Event
		want string
	}{
		{of(event.ProcessActivity, event.ProcessLaunch, 200), "all lin"},
		{of(event.ProcessActivity, event.ProcessLaunch, 100), "all win"},
		{of(event.ProcessActivity, event.ProcessLaunch, 300), "all"},
		{of(event.ProcessActivity, event.ProcessLaunch, 0), "all lin win"},
		{of(event.ProcessActivity, event.ProcessTerminate, 200), ""},
		{of(event.NetworkActivity, event.NetworkOpen, 200), "net"},
		{of(event.NetworkActivity, event.NetworkClose, 200), ""},
		{of(event.DNSActivity, event.DNSTraffic, 0), "dns dnsq"},
	} {
		var got []string
		for _, h := range s.Match(c.e) {
			got = append(got, h.Rule.ID)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("class %d activity %d: rules %v, want %q", c.e.ClassUID, c.e.ActivityID, got, c.want)
		}
	}
}

func TestFieldsOfAnEvent(t *testing.T) {
	two := 2
	e := &event.Event{ClassUID: event.ProcessActivity, Device: &event.Device{Hostname: "pc1"}, RCodeID: &two,
		Process: &event.Process{PID: 7, CmdLine: "a -b", WorkingDirectory: "/w", Integrity: "High", User: &event.User{Name: "u", Domain: "D"},
			File:          &event.File{Path: "/bin/a", Hashes: []event.Fingerprint{{AlgorithmID: 3, Value: "ab"}, {AlgorithmID: 1, Value: "cd"}}},
			ParentProcess: &event.Process{PID: 1, CmdLine: "init", File: &event.File{Path: "/sbin/init"}, User: &event.User{Name: "root"}}},
		Query: &event.DNSQueryInfo{Hostname: "x.com", Type: "TXT"}, Answers: []event.DNSAnswer{{RData: "192.0.2.1"}, {RData: "192.0.2.2"}},
		SrcEndpoint: &event.Endpoint{IP: "192.0.2.8", Port: 4000}, DstEndpoint: &event.Endpoint{IP: "192.0.2.9", Port: 53, Hostname: "h"},
		ConnectionInfo: &event.ConnectionInfo{DirectionID: event.DirectionOutbound, ProtocolName: "udp"},
		Unmapped:       map[string]string{"OriginalFileName": "A.EXE", "ParentUser": "as the source says"}}
	f := sigma.FromEvent(e)
	for name, want := range map[string]string{"Image": "/bin/a", "CommandLine": "a -b", "CurrentDirectory": "/w", "ProcessId": "7", "IntegrityLevel": "High",
		"Hashes": "SHA256=AB,MD5=CD", "ParentImage": "/sbin/init", "ParentCommandLine": "init", "ParentProcessId": "1", "User": `D\u`, "Computer": "pc1",
		"QueryName": "x.com", "record_type": "TXT", "QueryResults": "192.0.2.1 192.0.2.2", "QueryStatus": "2", "DestinationIp": "192.0.2.9", "DestinationPort": "53",
		"DestinationHostname": "h", "SourceIp": "192.0.2.8", "SourcePort": "4000", "Initiated": "true", "Protocol": "udp", "OriginalFileName": "A.EXE",
		"ParentUser": "as the source says", "process.file.path": "/bin/a", "process.parent_process.cmd_line": "init"} {
		if got, ok := f.Field(name); !ok || strings.Join(got, " ") != want {
			t.Errorf("%s is %q, %t; want %q", name, got, ok, want)
		}
	}
	empty := sigma.FromEvent(&event.Event{})
	for _, name := range []string{"Image", "ParentImage", "User", "Hashes", "QueryName", "DestinationPort", "Initiated", "Computer", "Nothing", "QueryResults"} {
		if got, ok := empty.Field(name); ok {
			t.Errorf("an empty event has %s: %q", name, got)
		}
	}
}
