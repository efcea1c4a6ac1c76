package sigma

import (
	"strconv"
	"strings"

	"noroshi/event"
)

// eventFields shows an OCSF event under the names that Sigma rules use: the
// source's own names first, then the taxonomy's, then OCSF's dotted names.
type eventFields struct {
	e    *event.Event
	flat map[string]string // made when a dotted name or a keyword asks for it
}

// FromEvent shows an event to rules.
func FromEvent(e *event.Event) Fields { return &eventFields{e: e} }

func (f *eventFields) Field(name string) ([]string, bool) {
	if v, ok := f.e.Unmapped[name]; ok {
		return []string{v}, true
	}
	if get, ok := taxonomy[name]; ok {
		if v := get(f.e); len(v) > 0 && v[0] != "" {
			return v, true
		}
		return nil, false
	}
	v, ok := f.flatten()[name]
	if !ok {
		return nil, false
	}
	return []string{v}, true
}

func (f *eventFields) All(yield func(string) bool) {
	for _, v := range f.flatten() {
		if !yield(v) {
			return
		}
	}
}

func (f *eventFields) flatten() map[string]string {
	if f.flat == nil {
		f.flat = map[string]string{}
		f.e.Flatten(func(k, v string) { f.flat[k] = v })
	}
	return f.flat
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func num(n int) []string {
	if n == 0 {
		return nil
	}
	return []string{strconv.Itoa(n)}
}

// process is the process that a rule means: the one that started, or the one
// that acted.
func process(e *event.Event) *event.Process {
	if e.Process != nil {
		return e.Process
	}
	if e.Actor != nil {
		return e.Actor.Process
	}
	return nil
}

func ofProcess(get func(*event.Process) []string) func(*event.Event) []string {
	return func(e *event.Event) []string {
		if p := process(e); p != nil {
			return get(p)
		}
		return nil
	}
}

func ofParent(get func(*event.Process) []string) func(*event.Event) []string {
	return ofProcess(func(p *event.Process) []string {
		if p.ParentProcess != nil {
			return get(p.ParentProcess)
		}
		return nil
	})
}

func image(p *event.Process) []string {
	if p.File == nil {
		return nil
	}
	return one(p.File.Path)
}

func hashes(p *event.Process) []string {
	if p.File == nil {
		return nil
	}
	var parts []string
	for _, h := range p.File.Hashes {
		name := map[int]string{1: "MD5", 2: "SHA1", 3: "SHA256"}[h.AlgorithmID]
		if name != "" {
			parts = append(parts, name+"="+strings.ToUpper(h.Value))
		}
	}
	return one(strings.Join(parts, ","))
}

func userName(u *event.User) []string {
	if u == nil {
		return nil
	}
	if u.Domain != "" {
		return one(u.Domain + `\` + u.Name)
	}
	return one(u.Name)
}

func ofEndpoint(dst bool, get func(*event.Endpoint) []string) func(*event.Event) []string {
	return func(e *event.Event) []string {
		x := e.SrcEndpoint
		if dst {
			x = e.DstEndpoint
		}
		if x == nil {
			return nil
		}
		return get(x)
	}
}

func answers(e *event.Event) []string {
	var out []string
	for _, a := range e.Answers {
		out = append(out, a.RData)
	}
	return out
}

// taxonomy maps Sigma's field names (Sysmon's, mostly) to OCSF.
var taxonomy = map[string]func(*event.Event) []string{
	"Image":             ofProcess(image),
	"CommandLine":       ofProcess(func(p *event.Process) []string { return one(p.CmdLine) }),
	"CurrentDirectory":  ofProcess(func(p *event.Process) []string { return one(p.WorkingDirectory) }),
	"ProcessId":         ofProcess(func(p *event.Process) []string { return num(p.PID) }),
	"IntegrityLevel":    ofProcess(func(p *event.Process) []string { return one(p.Integrity) }),
	"Hashes":            ofProcess(hashes),
	"ParentImage":       ofParent(image),
	"ParentCommandLine": ofParent(func(p *event.Process) []string { return one(p.CmdLine) }),
	"ParentProcessId":   ofParent(func(p *event.Process) []string { return num(p.PID) }),
	"ParentUser":        ofParent(func(p *event.Process) []string { return userName(p.User) }),
	"User": func(e *event.Event) []string {
		if p := process(e); p != nil && p.User != nil {
			return userName(p.User)
		}
		if e.Actor != nil {
			return userName(e.Actor.User)
		}
		return nil
	},
	"Computer": func(e *event.Event) []string {
		if e.Device == nil {
			return nil
		}
		return one(e.Device.Hostname)
	},
	"QueryName": func(e *event.Event) []string {
		if e.Query == nil {
			return nil
		}
		return one(e.Query.Hostname)
	},
	"query": func(e *event.Event) []string {
		if e.Query == nil {
			return nil
		}
		return one(e.Query.Hostname)
	},
	"record_type": func(e *event.Event) []string {
		if e.Query == nil {
			return nil
		}
		return one(e.Query.Type)
	},
	"answer": answers, "QueryResults": answers,
	"QueryStatus": func(e *event.Event) []string {
		if e.RCodeID == nil {
			return nil
		}
		return []string{strconv.Itoa(*e.RCodeID)}
	},
	"DestinationIp":       ofEndpoint(true, func(x *event.Endpoint) []string { return one(x.IP) }),
	"DestinationPort":     ofEndpoint(true, func(x *event.Endpoint) []string { return num(x.Port) }),
	"DestinationHostname": ofEndpoint(true, func(x *event.Endpoint) []string { return one(x.Hostname) }),
	"SourceIp":            ofEndpoint(false, func(x *event.Endpoint) []string { return one(x.IP) }),
	"SourcePort":          ofEndpoint(false, func(x *event.Endpoint) []string { return num(x.Port) }),
	"dst_ip":              ofEndpoint(true, func(x *event.Endpoint) []string { return one(x.IP) }),
	"dst_port":            ofEndpoint(true, func(x *event.Endpoint) []string { return num(x.Port) }),
	"src_ip":              ofEndpoint(false, func(x *event.Endpoint) []string { return one(x.IP) }),
	"Protocol": func(e *event.Event) []string {
		if e.ConnectionInfo == nil {
			return nil
		}
		return one(e.ConnectionInfo.ProtocolName)
	},
	"Initiated": func(e *event.Event) []string {
		if e.ConnectionInfo == nil || e.ConnectionInfo.DirectionID == 0 {
			return nil
		}
		return []string{strconv.FormatBool(e.ConnectionInfo.DirectionID == event.DirectionOutbound)}
	},
}
