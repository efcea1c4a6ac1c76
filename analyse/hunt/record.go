package hunt

import (
	"strings"
	"time"
	"unicode/utf8"

	"noroshi/event"
	"noroshi/eventstore"
	"noroshi/finding"
)

// columns are the fields of an event that the matcher looks at, that say where
// it was, and that a reader wants before asking for the whole. For each row that
// is found the engine unpacks every column of its block that is asked for: all of
// them would take twice as long, and so would a second question for the whole
// events that are kept as evidence.
var columns = []string{
	"_time", "_msg", "class", "class_uid", "activity_id", "action_id", "disposition_id",
	"metadata.uid", "metadata.sequence", "metadata.tenant_uid", "metadata.reporter.uid", "metadata.reporter.hostname", "metadata.log_provider", "device.hostname",
	"query.hostname", "query.type", "rcode", "answers.rdata",
	"src_endpoint.ip", "src_endpoint.hostname", "dst_endpoint.ip", "dst_endpoint.hostname", "dst_endpoint.port",
	"process.pid", "process.name", "process.user.name", "process.cmd_line", "process.file.hashes.md5", "process.file.hashes.sha1", "process.file.hashes.sha256",
	"actor.process.name", "actor.process.user.name", "actor.process.cmd_line", "actor.process.file.hashes.md5", "actor.process.file.hashes.sha1", "actor.process.file.hashes.sha256",
}

// eventOf makes of a record again the part of the event that the matcher looks
// at.
func eventOf(r eventstore.Record) *event.Event {
	f := r.Fields
	e := &event.Event{Time: r.Time.UnixMilli(), SrcEndpoint: endpointOf(f, "src_endpoint."), DstEndpoint: endpointOf(f, "dst_endpoint.")}
	if name := f["query.hostname"]; name != "" {
		e.Query = &event.DNSQueryInfo{Hostname: name}
	}
	for _, data := range strings.Fields(f["answers.rdata"]) {
		e.Answers = append(e.Answers, event.DNSAnswer{RData: data})
	}
	e.Process = processOf(f, "process.")
	if e.Process == nil && f["class"] == "process" {
		e.Process = &event.Process{}
	}
	if p := processOf(f, "actor.process."); p != nil {
		e.Actor = &event.Actor{Process: p}
	}
	return e
}

func endpointOf(f map[string]string, at string) *event.Endpoint {
	return &event.Endpoint{IP: f[at+"ip"], Hostname: f[at+"hostname"]}
}

func processOf(f map[string]string, at string) *event.Process {
	p := &event.Process{CmdLine: f[at+"cmd_line"], File: &event.File{}}
	for id, name := range []string{1: "md5", 2: "sha1", 3: "sha256"} {
		for _, v := range strings.Fields(f[at+"file.hashes."+name]) {
			p.File.Hashes = append(p.File.Hashes, event.Fingerprint{AlgorithmID: id, Value: v})
		}
	}
	if p.CmdLine == "" && len(p.File.Hashes) == 0 && f[at+"pid"] == "" {
		return nil
	}
	return p
}

// Bounds of what a sighting keeps of one event; the event store has the whole.
const (
	maxField = 2 << 10
	maxEvent = 16 << 10
)

func evidenceOf(r eventstore.Record, matched string) finding.Evidence {
	fields := make(map[string]string, len(r.Fields))
	left := maxEvent
	for k, v := range r.Fields {
		if strings.HasPrefix(k, "_") || k == "class" || k == "node" {
			continue // The store's own.
		}
		v = clip(v)
		if left -= len(k) + len(v); left >= 0 {
			fields[k] = v
		}
	}
	return finding.Evidence{EventUID: r.Fields["metadata.uid"], Time: r.Time.UTC().Truncate(time.Millisecond), Tier: r.Fields["metadata.log_provider"],
		Summary: r.Fields["_msg"], Fields: fields, Matched: []string{matched}}
}

func clip(s string) string {
	if len(s) <= maxField {
		return s
	}
	n := maxField
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
