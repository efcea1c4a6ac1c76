package event

import (
	"net"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSummary is how many bytes of one line people read.
const maxSummary = 300

// Summary is the event in one line for people: "curl (1234) ran by root: curl
// -s http://…", "dns A example.test → NXDOMAIN (blocked)", "python3 (7) →
// 198.51.100.7:443/tcp". It holds no control character, whatever the event
// holds, and is cut after 300 bytes.
func (e *Event) Summary() string {
	s := e.Message
	switch {
	case e.ClassUID == ProcessActivity && e.Process != nil:
		s = e.processSummary()
	case e.ClassUID == NetworkActivity:
		s = e.networkSummary()
	case e.ClassUID == DNSActivity && e.Query != nil:
		s = e.dnsSummary()
	}
	return oneLine(s)
}

func (e *Event) processSummary() string {
	p := e.Process
	s := label(p)
	if e.ActivityID == ProcessTerminate {
		s += " ended"
		if e.ExitCode != nil {
			s += " with " + strconv.Itoa(*e.ExitCode)
		}
		return s
	}
	s += " ran"
	if p.User != nil && p.User.Name != "" {
		s += " by " + p.User.Name
	}
	if p.CmdLine != "" {
		s += ": " + p.CmdLine
	}
	return s
}

func (e *Event) networkSummary() string {
	who := ""
	if e.Actor != nil && e.Actor.Process != nil {
		who = label(e.Actor.Process) + " "
	}
	proto, inbound := "", false
	if c := e.ConnectionInfo; c != nil {
		inbound = c.DirectionID == DirectionInbound
		if c.ProtocolName != "" {
			proto = "/" + c.ProtocolName
		}
	}
	var s string
	switch {
	case e.ActivityID == NetworkListen:
		s = who + "listens on " + endpoint(e.SrcEndpoint) + proto
	case inbound:
		s = who + "← " + endpoint(e.SrcEndpoint) + proto
	default:
		s = who + "→ " + endpoint(e.DstEndpoint) + proto
	}
	switch e.ActivityID {
	case NetworkClose:
		s += " (closed)"
	case NetworkFail:
		s += " (failed)"
	}
	return s + e.verdict()
}

func (e *Event) dnsSummary() string {
	s := "dns "
	if e.Query.Type != "" {
		s += e.Query.Type + " "
	}
	s += e.Query.Hostname
	switch {
	case len(e.Answers) > 0:
		s += " → " + e.Answers[0].RData
		if n := len(e.Answers); n > 1 {
			s += " and " + strconv.Itoa(n-1) + " more"
		}
	case e.RCode != "":
		s += " → " + e.RCode
	}
	return s + e.verdict()
}

func (e *Event) verdict() string {
	if e.DispositionID == DispositionBlocked {
		return " (blocked)"
	}
	return ""
}

// label names a process: its name, or its program, and its number.
func label(p *Process) string {
	name := p.Name
	if name == "" && p.File != nil {
		name = p.File.Path
	}
	if p.PID == 0 {
		return name
	}
	return strings.TrimSpace(name + " (" + strconv.Itoa(p.PID) + ")")
}

func endpoint(e *Endpoint) string {
	if e == nil {
		return "?"
	}
	host := e.IP
	if e.Hostname != "" {
		host = e.Hostname
	}
	if e.Port == 0 {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(e.Port))
}

// oneLine cuts text and takes out what would break the line, or the terminal
// that shows it: control characters and those that turn the direction of text.
func oneLine(s string) string {
	if len(s) > maxSummary {
		n := maxSummary
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}
