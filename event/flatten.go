package event

import (
	"strconv"
	"strings"
)

// Flatten hands out every attribute that is there under its dotted OCSF name,
// without the time: "process.parent_process.file.path", "unmapped.Image". The
// values of several answers stand in one value, separated by spaces, so that
// each is found as a phrase.
func (e *Event) Flatten(add func(name, value string)) {
	f := flattener{add}
	f.num("class_uid", int(e.ClassUID))
	f.num("category_uid", e.CategoryUID)
	f.num("activity_id", e.ActivityID)
	f.num("type_uid", e.TypeUID)
	f.num("severity_id", e.SeverityID)
	f.metadata(&e.Metadata)
	if d := e.Device; d != nil {
		f.str("device.hostname", d.Hostname)
		f.str("device.uid", d.UID)
		f.str("device.ip", d.IP)
		if d.OS != nil {
			f.str("device.os.name", d.OS.Name)
		}
	}
	if a := e.Actor; a != nil {
		f.process("actor.process.", a.Process)
		f.user("actor.user.", a.User)
	}
	f.process("process.", e.Process)
	if e.ExitCode != nil {
		add("exit_code", strconv.Itoa(*e.ExitCode))
	}
	f.endpoint("src_endpoint.", e.SrcEndpoint)
	f.endpoint("dst_endpoint.", e.DstEndpoint)
	if c := e.ConnectionInfo; c != nil {
		f.str("connection_info.protocol_name", c.ProtocolName)
		f.num("connection_info.direction_id", c.DirectionID)
		f.str("connection_info.uid", c.UID)
	}
	f.dns(e)
	f.num("action_id", e.ActionID)
	f.num("disposition_id", e.DispositionID)
	if p := e.Policy; p != nil {
		f.str("policy.uid", p.UID)
		f.str("policy.name", p.Name)
		f.str("policy.desc", p.Desc)
	}
	f.str("message", e.Message)
	for k, v := range e.Unmapped {
		f.str("unmapped."+k, v)
	}
}

type flattener struct{ add func(name, value string) }

func (f flattener) str(name, v string) {
	if v != "" {
		f.add(name, v)
	}
}

func (f flattener) num(name string, v int) {
	if v != 0 {
		f.add(name, strconv.Itoa(v))
	}
}

func (f flattener) metadata(m *Metadata) {
	f.str("metadata.uid", m.UID)
	f.add("metadata.sequence", strconv.FormatUint(m.Sequence, 10))
	f.str("metadata.tenant_uid", string(m.Tenant))
	f.str("metadata.reporter.uid", string(m.Reporter.UID))
	f.str("metadata.reporter.hostname", m.Reporter.Hostname)
	f.str("metadata.log_provider", m.Provider)
	f.str("metadata.product.feature", m.Product.Feature)
	f.str("metadata.labels", strings.Join(m.Labels, " "))
}

func (f flattener) process(prefix string, p *Process) {
	// Ancestors beyond the parent are not flattened: no field has a name for them.
	if p == nil || strings.Count(prefix, "parent_process.") > 1 {
		return
	}
	f.num(prefix+"pid", p.PID)
	f.str(prefix+"uid", p.UID)
	f.str(prefix+"name", p.Name)
	f.str(prefix+"cmd_line", p.CmdLine)
	f.str(prefix+"working_directory", p.WorkingDirectory)
	f.str(prefix+"integrity", p.Integrity)
	if p.File != nil {
		f.str(prefix+"file.path", p.File.Path)
		for _, h := range p.File.Hashes {
			f.str(prefix+"file.hashes."+hashName(h.AlgorithmID), h.Value)
		}
	}
	f.user(prefix+"user.", p.User)
	f.process(prefix+"parent_process.", p.ParentProcess)
}

func hashName(id int) string {
	switch id {
	case 1:
		return "md5"
	case 2:
		return "sha1"
	case 3:
		return "sha256"
	}
	return "other"
}

func (f flattener) user(prefix string, u *User) {
	if u != nil {
		f.str(prefix+"name", u.Name)
		f.str(prefix+"uid", u.UID)
		f.str(prefix+"domain", u.Domain)
	}
}

func (f flattener) endpoint(prefix string, e *Endpoint) {
	if e != nil {
		f.str(prefix+"ip", e.IP)
		f.num(prefix+"port", e.Port)
		f.str(prefix+"hostname", e.Hostname)
	}
}

func (f flattener) dns(e *Event) {
	if q := e.Query; q != nil {
		f.str("query.hostname", q.Hostname)
		f.str("query.type", q.Type)
	}
	if len(e.Answers) > 0 {
		var data, types []string
		for _, a := range e.Answers {
			data, types = append(data, a.RData), append(types, a.Type)
		}
		f.str("answers.rdata", strings.Join(data, " "))
		f.str("answers.type", strings.Join(types, " "))
	}
	f.str("rcode", e.RCode)
}
