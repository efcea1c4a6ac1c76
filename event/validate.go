package event

import (
	"net/netip"
	"slices"
	"strings"

	"noroshi/fault"
)

// Finish fills the attributes that follow from others: category, type, version.
func (e *Event) Finish() {
	e.CategoryUID = int(e.ClassUID) / 1000
	e.TypeUID = int(e.ClassUID)*100 + e.ActivityID
	e.Metadata.Version = Version
	if e.SeverityID == 0 {
		e.SeverityID = 1 // Informational.
	}
}

const (
	maxUID  = 128            // bytes of an identifier
	maxName = 1024           // bytes of a name; the longest of the DNS has 1,012 when each is written as \DDD
	maxTime = 253402300800e3 // the year 10000, in milliseconds
)

// The activities that OCSF 1.8.0 knows in each class; 0 is unknown, 99 other.
var activities = map[Class][]int{
	ProcessActivity: {0, 1, 2, 3, 4, 5, 99},
	NetworkActivity: {0, 1, 2, 3, 4, 5, 6, 7, 99},
	DNSActivity:     {0, 1, 2, 6, 99},
}

// Validate checks what OCSF 1.8.0 requires of the classes in use and what the
// line needs. The error names the attribute. Whether the organisation and the
// node are who they say is checked where the batch arrives.
func (e *Event) Validate() error {
	if err := e.classified(); err != nil {
		return err
	}
	if err := e.Metadata.validate(); err != nil {
		return err
	}
	switch e.ClassUID {
	case ProcessActivity:
		return e.validProcess()
	case NetworkActivity:
		return e.validNetwork()
	default:
		if e.Query == nil || e.Query.Hostname == "" {
			return bad("query.hostname", "dns_activity needs the name that was asked for")
		}
		if err := validName("query.hostname", e.Query.Hostname); err != nil {
			return err
		}
		return e.validNetwork()
	}
}

func bad(place, format string, args ...any) error {
	return fault.New(fault.Invalid, "event.validate", format, args...).At("%s", place)
}

func (e *Event) classified() error {
	known, ok := activities[e.ClassUID]
	switch {
	case !ok:
		return bad("class_uid", "the class %d is not one of 1007, 4001, 4003", e.ClassUID)
	case e.CategoryUID != int(e.ClassUID)/1000:
		return bad("category_uid", "%d does not belong to the class %d", e.CategoryUID, e.ClassUID)
	case !slices.Contains(known, e.ActivityID):
		return bad("activity_id", "%d is no activity of the class %d", e.ActivityID, e.ClassUID)
	case e.TypeUID != int(e.ClassUID)*100+e.ActivityID:
		return bad("type_uid", "%d is not class_uid × 100 + activity_id", e.TypeUID)
	case (e.SeverityID < 0 || e.SeverityID > 6) && e.SeverityID != 99:
		return bad("severity_id", "%d is not 0 to 6 or 99", e.SeverityID)
	case e.Time <= 0 || e.Time >= maxTime:
		return bad("time", "%d is no time in milliseconds since 1970", e.Time)
	case e.ResponseTime < 0 || e.ResponseTime >= maxTime:
		return bad("response_time", "%d is no time in milliseconds since 1970", e.ResponseTime)
	}
	return nil
}

func (m *Metadata) validate() error {
	switch {
	case m.Version != Version:
		return bad("metadata.version", "the event says OCSF %q; this platform speaks %s", clip([]byte(m.Version)), Version)
	case m.UID == "" || len(m.UID) > maxUID || strings.ContainsFunc(m.UID, func(r rune) bool { return r <= ' ' || r > '~' }):
		return bad("metadata.uid", "the identifier is missing, longer than %d bytes, or not of visible ASCII characters", maxUID)
	case !named(string(m.Tenant), "org_"):
		return bad("metadata.tenant_uid", "the organisation is missing")
	case !named(string(m.Reporter.UID), "nod_"):
		return bad("metadata.reporter.uid", "the node is missing")
	case m.LoggedTime < 0 || m.LoggedTime >= maxTime:
		return bad("metadata.logged_time", "%d is no time in milliseconds since 1970", m.LoggedTime)
	}
	return nil
}

// named tells an identifier of a kind by its look.
func named(id, prefix string) bool {
	rest, ok := strings.CutPrefix(id, prefix)
	return ok && len(id) <= maxUID && plain([]byte(rest))
}

func (e *Event) validProcess() error {
	switch {
	case e.Device == nil:
		return bad("device", "process_activity needs the machine")
	case e.Actor == nil:
		return bad("actor", "process_activity needs who did it")
	case e.Process == nil || (e.Process.PID == 0 && e.Process.UID == ""):
		return bad("process", "process_activity needs a process with its pid")
	}
	for p, depth := e.Process, 0; p != nil; p, depth = p.ParentProcess, depth+1 {
		if p.PID < 0 {
			return bad("process"+strings.Repeat(".parent_process", depth)+".pid", "%d is no process", p.PID)
		}
	}
	return nil
}

// validNetwork checks both ends. What is no address would be stored, and found
// by nobody who looks for it.
func (e *Event) validNetwork() error {
	if e.ClassUID == NetworkActivity && e.SrcEndpoint == nil && e.DstEndpoint == nil {
		return bad("dst_endpoint", "network_activity needs a source or a destination")
	}
	if err := e.SrcEndpoint.validate("src_endpoint"); err != nil {
		return err
	}
	return e.DstEndpoint.validate("dst_endpoint")
}

// validName refuses what no name can be, because each of its parents is looked
// for.
func validName(place, name string) error {
	if len(name) > maxName {
		return bad(place, "a name of %d bytes is none; at most %d are allowed", len(name), maxName)
	}
	return nil
}

func (p *Endpoint) validate(place string) error {
	switch {
	case p == nil:
		return nil
	case p.IP == "" && p.Hostname == "":
		return bad(place, "an endpoint needs an address or a name")
	case p.Port < 0 || p.Port > 65535:
		return bad(place+".port", "%d is no port", p.Port)
	case p.IP != "":
		if _, err := netip.ParseAddr(p.IP); err != nil {
			return bad(place+".ip", "%q is no address", clip([]byte(p.IP)))
		}
	}
	return validName(place+".hostname", p.Hostname)
}
