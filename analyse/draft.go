package analyse

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"

	"noroshi/analyse/match"
	"noroshi/event"
	"noroshi/finding"
	"noroshi/ident"
	"noroshi/observable"
)

const (
	maxTitle = 300 // bytes of one line for people
	maxKey   = 400 // bytes of a key; PostgreSQL cannot index long ones
)

// key joins the parts of a key. Parts come from command lines and the like: what
// the ledger would refuse is replaced, what is too long is named by its hash.
func key(parts ...string) string {
	k := clean(strings.Join(parts, " "))
	if len(k) <= maxKey {
		return k
	}
	sum := sha256.Sum256([]byte(k))
	return clip(k, maxKey/2) + " " + hex.EncodeToString(sum[:])
}

// clean makes text that every engine of the ledger takes.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// clip cuts text after at most n bytes, between two characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

func draftOf(e *event.Event) finding.Finding {
	return finding.Finding{Org: e.Metadata.Tenant, Node: e.Metadata.Reporter.UID, Device: deviceOf(e), Title: clip(e.Summary(), maxTitle)}
}

// ofIndicator is the finding that an indicator was seen on a node. Live matches
// and the look back share its key, so that they are one record.
func ofIndicator(ind *match.Known, org, node ident.ID, device string) finding.Finding {
	return finding.Finding{Org: org, Node: node, Device: device, Realm: ind.Realm,
		Key: key("indicator", string(ind.ID), string(node)), Indicator: ind.ID,
		Rule: finding.Rule{ID: string(ind.ID), Title: "Known indicator seen: " + ind.Observable.Value,
			TitleJA: "既知の指標を観測: " + ind.Observable.Value, Description: ind.Reason, Level: levelOf(ind.Confidence), Techniques: ind.Techniques},
		Title: ind.Observable.Value, Observables: []observable.Observable{ind.Observable}}
}

func levelOf(confidence int) finding.Level {
	switch {
	case confidence >= 80:
		return finding.High
	case confidence >= 50:
		return finding.Medium
	}
	return finding.Low
}

// discriminator tells two attacks under one rule on one node apart: for a
// look-up the domain somebody registered (a tunnel asks for thousands of names
// below one), for a connection the program and where it went, for a process the
// program, its parent and the first host that its command line names. The same
// program doing the same to the same host is the same attack.
func discriminator(e *event.Event, seen []observable.Observable) string {
	switch {
	case e.ClassUID == event.DNSActivity && e.Query != nil:
		return registered(e.Query.Hostname)
	case e.ClassUID == event.NetworkActivity && e.DstEndpoint != nil:
		return imageOf(e) + " " + e.DstEndpoint.IP
	}
	host, parent := "", ""
	for _, o := range seen {
		if o.Kind == observable.Domain {
			host = registered(o.Value)
			break
		} else if o.Kind == observable.IPv4 || o.Kind == observable.IPv6 {
			host = o.Value
			break
		}
	}
	if e.Process != nil && e.Process.ParentProcess != nil && e.Process.ParentProcess.File != nil {
		parent = e.Process.ParentProcess.File.Path
	}
	return imageOf(e) + " " + parent + " " + host
}

// registered is the part of a name that somebody registered. Each name below
// .test stands for itself, because each drill makes its own.
func registered(name string) string {
	if strings.HasSuffix(name, ".test") {
		return name
	}
	if d, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return d
	}
	return name
}

func processOf(e *event.Event) *event.Process {
	if e.Process == nil && e.Actor != nil {
		return e.Actor.Process
	}
	return e.Process
}

func imageOf(e *event.Event) string {
	if p := processOf(e); p != nil && p.File != nil {
		return p.File.Path
	}
	return ""
}

func deviceOf(e *event.Event) string {
	if e.Device != nil && e.Device.Hostname != "" {
		return e.Device.Hostname
	}
	return e.Metadata.Reporter.Hostname
}

// observables are the things in an event that may become indicators: the name
// that was asked for, where a connection went, what the command line names. The
// hash of the program is not among them: it is mostly that of a shell.
func observables(e *event.Event) []observable.Observable {
	var out []observable.Observable
	add := func(s string) {
		if o, err := observable.Parse(s); err == nil {
			out = append(out, o)
		}
	}
	if e.Query != nil {
		add(e.Query.Hostname)
	}
	if e.ClassUID == event.NetworkActivity {
		there := e.DstEndpoint
		if e.ConnectionInfo != nil && e.ConnectionInfo.DirectionID == event.DirectionInbound {
			there = e.SrcEndpoint
		}
		if there != nil {
			add(there.Hostname)
			add(there.IP)
		}
	}
	for _, o := range e.Observables() {
		if o.Name == "process.cmd_line" {
			out = append(out, o.Observable)
		}
	}
	return out
}

// rehearsed leaves what an exercise may name: things under .test. A drill's
// command line that also names something real makes no candidate of it.
func rehearsed(list []observable.Observable) []observable.Observable {
	var out []observable.Observable
	for _, o := range list {
		name := o
		if o.Kind == observable.URL {
			name, _ = o.Host()
		}
		if name.Kind == observable.Domain && strings.HasSuffix(name.Value, ".test") {
			out = append(out, o)
		}
	}
	return out
}
