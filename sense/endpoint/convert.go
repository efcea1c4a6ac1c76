package endpoint

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/dns/dnsmessage"

	"noroshi/event"
	"noroshi/sense/endpoint/observed"
)

// event makes an event of a fact; own tells that it is about the sensor itself.
// Nil is for what cannot be read, such as a packet to port 53 that is no query.
func (s *Sensor) event(f observed.Fact) (e *event.Event, own bool) {
	p := s.procs.note(f, s.users)
	if f.PID == s.self {
		return nil, true
	}
	e = &event.Event{Time: f.At.UnixMilli(), Metadata: event.Metadata{Provider: s.tier, Profiles: []string{"host"}},
		Device: &event.Device{Hostname: s.host, OS: &event.OS{Name: "Linux", TypeID: 200}}, Actor: &event.Actor{}, Unmapped: map[string]string{}}
	switch f.Kind {
	case observed.Exec:
		s.launch(e, p)
		if f.Cut {
			e.Unmapped["cmd_line_truncated"] = "true"
		}
	case observed.Exit:
		e.ClassUID, e.ActivityID = event.ProcessActivity, event.ProcessTerminate
		e.Process = p
		e.Actor.User = p.User
		code := f.Code >> 8 & 0xff
		if signal := f.Code & 0x7f; signal != 0 {
			code = 128 + signal // As a shell says it.
		}
		e.ExitCode = &code
	case observed.Connect, observed.Accept:
		s.connection(e, f, p)
	case observed.DNS:
		if !s.query(e, f, p) {
			return nil, false
		}
	default:
		return nil, false
	}
	return e, false
}

// launch keeps the names that Sysmon for Linux uses beside OCSF's.
func (s *Sensor) launch(e *event.Event, p *event.Process) {
	e.ClassUID, e.ActivityID = event.ProcessActivity, event.ProcessLaunch
	e.Process = p
	u := e.Unmapped
	u["Image"], u["CommandLine"], u["ProcessId"] = p.File.Path, p.CmdLine, strconv.Itoa(p.PID)
	if p.User != nil {
		u["User"] = p.User.Name
	}
	if p.WorkingDirectory != "" {
		u["CurrentDirectory"] = p.WorkingDirectory
	}
	if pp := p.ParentProcess; pp != nil {
		e.Actor.Process = pp
		u["ParentProcessId"] = strconv.Itoa(pp.PID)
		if pp.File != nil {
			u["ParentImage"] = pp.File.Path
		}
		u["ParentCommandLine"] = pp.CmdLine
	}
	e.Actor.User = p.User
}

func (s *Sensor) connection(e *event.Event, f observed.Fact, p *event.Process) {
	e.ClassUID, e.ActivityID = event.NetworkActivity, event.NetworkOpen
	e.Actor.Process, e.Actor.User = p, p.User
	e.ConnectionInfo = &event.ConnectionInfo{ProtocolName: "tcp", ProtocolNum: 6, DirectionID: event.DirectionOutbound}
	src, dst := f.Local, f.Remote
	if f.Kind == observed.Accept {
		e.ConnectionInfo.DirectionID = event.DirectionInbound
		src, dst = f.Remote, f.Local
	}
	e.SrcEndpoint, e.DstEndpoint = endpointOf(src), endpointOf(dst)
	u := e.Unmapped
	u["Image"], u["Protocol"], u["Initiated"] = imageOf(p), "tcp", strconv.FormatBool(f.Kind == observed.Connect)
	u["SourceIp"] = src.Addr().String()
	if src.Port() != 0 {
		u["SourcePort"] = strconv.Itoa(int(src.Port()))
	}
	u["DestinationIp"], u["DestinationPort"] = dst.Addr().String(), strconv.Itoa(int(dst.Port()))
}

func endpointOf(a netip.AddrPort) *event.Endpoint {
	return &event.Endpoint{IP: a.Addr().Unmap().String(), Port: int(a.Port())}
}

func imageOf(p *event.Process) string {
	if p == nil || p.File == nil {
		return ""
	}
	return p.File.Path
}

// query reads a DNS query's question. The bytes are whatever a program sent.
func (s *Sensor) query(e *event.Event, f observed.Fact, p *event.Process) bool {
	name, kind, ok := question(f.Payload)
	if !ok {
		return false
	}
	e.ClassUID, e.ActivityID = event.DNSActivity, event.DNSQuery
	if f.PID != 0 {
		e.Actor.Process, e.Actor.User = p, p.User
		e.Unmapped["Image"] = imageOf(p)
	}
	e.Query = &event.DNSQueryInfo{Hostname: name, Type: kind, Class: "IN"}
	e.SrcEndpoint, e.DstEndpoint = endpointOf(f.Local), endpointOf(f.Remote)
	e.ConnectionInfo = &event.ConnectionInfo{ProtocolName: "udp", ProtocolNum: 17, DirectionID: event.DirectionOutbound}
	e.Unmapped["QueryName"] = name
	return true
}

func question(b []byte) (name, kind string, ok bool) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.Response {
		return "", "", false
	}
	q, err := p.Question()
	if err != nil {
		return "", "", false
	}
	name = strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	if name == "" || !utf8.ValidString(name) {
		return "", "", false
	}
	return name, strings.TrimPrefix(q.Type.String(), "Type"), true
}

// absolute completes what a caller executed by a relative name.
func absolute(pid int, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	// The process may be gone; then what the caller said must do.
	if exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe")); err == nil {
		return strings.TrimSuffix(exe, " (deleted)")
	}
	return file
}

// commandLine joins arguments as a person would type them, as far as the words
// themselves allow: what Sigma's rules expect.
func commandLine(args []string) string {
	return strings.ToValidUTF8(strings.Join(args, " "), "·")
}
