package event

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Flatten hands out every attribute that is there under its dotted OCSF name,
// except the time: "process.parent_process.file.path", "unmapped.Image". Numbers
// are decimal; what is empty or 0 is left out. Of ancestors the parent is handed
// out, hashes by their algorithm ("process.file.hashes.sha256").
//
// The values of several answers, labels or profiles stand in one value with a
// space between, in their order, and so do several hashes of one algorithm. No
// address, name or hash contains a space, so each is found as a phrase of its
// own; answers.type has as many words. No name is handed out twice.
//
// Names, addresses and hashes are handed out in their one normal form, lower
// case and without IPv4 in IPv6, since a store compares letters only. Everything
// else is as the source wrote it. Names come in the order of their bytes, so that
// a store need not sort them.
func (e *Event) Flatten(add func(name, value string)) {
	f := flattener{add}
	f.num("action_id", int64(e.ActionID))
	f.num("activity_id", int64(e.ActivityID))
	if a := e.Actor; a != nil {
		f.process(&actorProcess, a.Process)
		f.user(&actorUser, a.User)
	}
	f.answers(e.Answers)
	f.num("category_uid", int64(e.CategoryUID))
	f.num("class_uid", int64(e.ClassUID))
	if c := e.ConnectionInfo; c != nil {
		f.num("connection_info.direction_id", int64(c.DirectionID))
		f.str("connection_info.protocol_name", c.ProtocolName)
		f.num("connection_info.protocol_num", int64(c.ProtocolNum))
		f.str("connection_info.uid", c.UID)
	}
	f.device(e.Device)
	f.num("disposition_id", int64(e.DispositionID))
	f.endpoint(&dstEndpoint, e.DstEndpoint)
	f.ptr("exit_code", e.ExitCode)
	f.str("message", e.Message)
	f.metadata(&e.Metadata)
	if p := e.Policy; p != nil {
		f.str("policy.desc", p.Desc)
		f.str("policy.name", p.Name)
		f.str("policy.uid", p.UID)
	}
	f.process(&process, e.Process)
	if q := e.Query; q != nil {
		f.str("query.class", q.Class)
		f.str("query.hostname", strings.ToLower(q.Hostname))
		f.str("query.type", q.Type)
	}
	f.str("rcode", e.RCode)
	f.ptr("rcode_id", e.RCodeID)
	f.num("response_time", e.ResponseTime)
	f.num("severity_id", int64(e.SeverityID))
	f.endpoint(&srcEndpoint, e.SrcEndpoint)
	f.num("type_uid", int64(e.TypeUID))
	f.unmapped(e.Unmapped)
}

// The names are written once, so that flattening an event joins no strings.
type (
	userNames     struct{ name, uid, domain string }
	endpointNames struct{ ip, port, hostname string }
	processNames  struct {
		pid, uid, name, cmdLine, workingDirectory, integrity, createdTime, terminatedTime string
		filePath, fileName, fileType                                                      string
		hashes                                                                            [4]string // by algorithm_id; 0 is any other
		user                                                                              userNames
		parent                                                                            *processNames
	}
)

func namesOfUser(at string) userNames { return userNames{at + "name", at + "uid", at + "domain"} }

func namesOfEndpoint(at string) endpointNames {
	return endpointNames{at + "ip", at + "port", at + "hostname"}
}

func namesOfProcess(at string, parent *processNames) processNames {
	hash := at + "file.hashes."
	return processNames{pid: at + "pid", uid: at + "uid", name: at + "name", cmdLine: at + "cmd_line",
		workingDirectory: at + "working_directory", integrity: at + "integrity",
		createdTime: at + "created_time", terminatedTime: at + "terminated_time",
		filePath: at + "file.path", fileName: at + "file.name", fileType: at + "file.type_id",
		hashes: [4]string{hash + "other", hash + "md5", hash + "sha1", hash + "sha256"},
		user:   namesOfUser(at + "user."), parent: parent}
}

var (
	parentProcess      = namesOfProcess("process.parent_process.", nil)
	process            = namesOfProcess("process.", &parentProcess)
	actorParentProcess = namesOfProcess("actor.process.parent_process.", nil)
	actorProcess       = namesOfProcess("actor.process.", &actorParentProcess)
	actorUser          = namesOfUser("actor.user.")
	srcEndpoint        = namesOfEndpoint("src_endpoint.")
	dstEndpoint        = namesOfEndpoint("dst_endpoint.")
)

type flattener struct{ add func(name, value string) }

func (f flattener) str(name, v string) {
	if v != "" {
		f.add(name, v)
	}
}

func (f flattener) num(name string, v int64) {
	if v != 0 {
		f.add(name, strconv.FormatInt(v, 10))
	}
}

// ptr hands out a number for which 0 says something.
func (f flattener) ptr(name string, v *int) {
	if v != nil {
		f.add(name, strconv.Itoa(*v))
	}
}

// list hands out n values as one.
func (f flattener) list(name string, n int, at func(i int) string) {
	switch n {
	case 0:
	case 1:
		f.str(name, at(0))
	default:
		var b []byte
		for i := range n {
			if i > 0 {
				b = append(b, ' ')
			}
			b = append(b, at(i)...)
		}
		f.str(name, string(b))
	}
}

func (f flattener) metadata(m *Metadata) {
	f.list("metadata.labels", len(m.Labels), func(i int) string { return m.Labels[i] })
	f.str("metadata.log_provider", m.Provider)
	f.num("metadata.logged_time", m.LoggedTime)
	f.str("metadata.product.feature.name", m.Product.Feature.Name)
	f.str("metadata.product.name", m.Product.Name)
	f.str("metadata.product.vendor_name", m.Product.VendorName)
	f.str("metadata.product.version", m.Product.Version)
	f.list("metadata.profiles", len(m.Profiles), func(i int) string { return m.Profiles[i] })
	f.str("metadata.reporter.hostname", m.Reporter.Hostname)
	f.str("metadata.reporter.uid", string(m.Reporter.UID))
	f.add("metadata.sequence", strconv.FormatUint(m.Sequence, 10)) // The first one is 0.
	f.str("metadata.tenant_uid", string(m.Tenant))
	f.str("metadata.uid", m.UID)
	f.str("metadata.version", m.Version)
}

func (f flattener) device(d *Device) {
	if d == nil {
		return
	}
	f.str("device.hostname", d.Hostname)
	f.str("device.ip", normalAddr(d.IP))
	if d.OS != nil {
		f.str("device.os.name", d.OS.Name)
		f.num("device.os.type_id", int64(d.OS.TypeID))
	}
	f.num("device.type_id", int64(d.TypeID))
	f.str("device.uid", d.UID)
}

func (f flattener) process(n *processNames, p *Process) {
	if p == nil || n == nil {
		return
	}
	f.str(n.cmdLine, p.CmdLine)
	f.num(n.createdTime, p.CreatedTime)
	if p.File != nil {
		f.hashes(n, p.File.Hashes)
		f.str(n.fileName, p.File.Name)
		f.str(n.filePath, p.File.Path)
		f.num(n.fileType, int64(p.File.TypeID))
	}
	f.str(n.integrity, p.Integrity)
	f.str(n.name, p.Name)
	f.process(n.parent, p.ParentProcess)
	f.num(n.pid, int64(p.PID))
	f.num(n.terminatedTime, p.TerminatedTime)
	f.str(n.uid, p.UID)
	f.user(&n.user, p.User)
	f.str(n.workingDirectory, p.WorkingDirectory)
}

// hashes hands out each algorithm once, as the store wants it, whatever a source
// sends; nearly always that is one value.
func (f flattener) hashes(n *processNames, all []Fingerprint) {
	if len(all) == 0 {
		return
	}
	for _, a := range inOrder {
		name := n.hashes[a]
		value, found := "", false
		for _, h := range all {
			switch {
			case algorithm(h.AlgorithmID) != a:
			case found:
				value += " " + strings.ToLower(h.Value)
			default:
				value, found = strings.ToLower(h.Value), true
			}
		}
		f.str(name, value)
	}
}

// inOrder is the algorithms by their names: md5, other, sha1, sha256.
var inOrder = [...]int{1, 0, 2, 3}

func algorithm(id int) int {
	if id < 1 || id > 3 {
		return 0
	}
	return id
}

func (f flattener) user(n *userNames, u *User) {
	if u != nil {
		f.str(n.domain, u.Domain)
		f.str(n.name, u.Name)
		f.str(n.uid, u.UID)
	}
}

func (f flattener) endpoint(n *endpointNames, e *Endpoint) {
	if e != nil {
		f.str(n.hostname, strings.ToLower(e.Hostname))
		f.str(n.ip, normalAddr(e.IP))
		f.num(n.port, int64(e.Port))
	}
}

func (f flattener) answers(a []DNSAnswer) {
	if len(a) > 0 {
		f.list("answers.class", len(a), func(i int) string { return a[i].Class })
		f.list("answers.rdata", len(a), func(i int) string { return a[i].Normal() })
		f.list("answers.ttl", len(a), func(i int) string { return strconv.Itoa(a[i].TTL) })
		f.list("answers.type", len(a), func(i int) string { return a[i].Type })
	}
}

func (f flattener) unmapped(all map[string]string) {
	var room [16]string // A sensor says less of one event.
	names := slices.AppendSeq(room[:0], maps.Keys(all))
	slices.Sort(names)
	for _, k := range names {
		f.str("unmapped."+k, all[k])
	}
}

// normalAddr is an address in its normal form; what is none stays as it is.
func normalAddr(s string) string {
	if strings.IndexByte(s, ':') < 0 {
		return s // IPv4 has one form only.
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return s
	}
	return a.Unmap().WithZone("").String()
}

// Normal is the data of an answer in its normal form; text keeps its letters.
func (a *DNSAnswer) Normal() string {
	switch a.Type {
	case "A", "AAAA", "CNAME", "DNAME", "NS", "PTR", "MX", "SRV", "SOA", "":
		return normalAddr(strings.ToLower(a.RData))
	}
	return a.RData
}
