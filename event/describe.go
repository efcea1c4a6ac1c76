package event

import (
	"net"
	"strconv"
	"strings"
)

// Summary is the event in one line for people.
func (e *Event) Summary() string {
	switch e.ClassUID {
	case ProcessActivity:
		return e.processSummary()
	case NetworkActivity:
		return e.networkSummary()
	case DNSActivity:
		return e.dnsSummary()
	}
	return e.Message
}

func (e *Event) processSummary() string {
	p := e.Process
	if p == nil {
		return ""
	}
	if e.ActivityID == ProcessTerminate {
		s := label(p) + " ended"
		if e.ExitCode != nil {
			s += " with " + strconv.Itoa(*e.ExitCode)
		}
		return s
	}
	s := p.CmdLine
	if s == "" {
		s = label(p)
	}
	if p.User != nil && p.User.Name != "" {
		s = p.User.Name + ": " + s
	}
	return s
}

func (e *Event) networkSummary() string {
	who := ""
	if e.Actor != nil && e.Actor.Process != nil {
		who = label(e.Actor.Process) + " "
	}
	proto := ""
	if e.ConnectionInfo != nil && e.ConnectionInfo.ProtocolName != "" {
		proto = "/" + e.ConnectionInfo.ProtocolName
	}
	if e.ConnectionInfo != nil && e.ConnectionInfo.DirectionID == DirectionInbound {
		return who + "← " + endpoint(e.SrcEndpoint) + proto
	}
	return who + "→ " + endpoint(e.DstEndpoint) + proto
}

func (e *Event) dnsSummary() string {
	if e.Query == nil {
		return ""
	}
	s := strings.TrimSpace("dns " + e.Query.Type + " " + e.Query.Hostname)
	if e.RCode != "" {
		s += " → " + e.RCode
	}
	if len(e.Answers) > 0 {
		s += " " + e.Answers[0].RData
	}
	if e.DispositionID == DispositionBlocked {
		s += " (blocked)"
	}
	return s
}

func label(p *Process) string {
	name := p.Name
	if name == "" && p.File != nil {
		name = p.File.Path
	}
	return name + "[" + strconv.Itoa(p.PID) + "]"
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
