package event

import (
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

// maxUID bounds the identifiers that others made.
const maxUID = 128

// Validate checks what OCSF 1.8.0 requires of the classes in use and what the
// line needs. The error names the attribute.
func (e *Event) Validate() error {
	bad := func(place, format string, args ...any) error {
		return fault.New(fault.Invalid, "event.validate", format, args...).At("%s", place)
	}
	switch e.ClassUID {
	case ProcessActivity, NetworkActivity, DNSActivity:
	default:
		return bad("class_uid", "the class %d is not one of 1007, 4001, 4003", e.ClassUID)
	}
	switch {
	case e.CategoryUID != int(e.ClassUID)/1000:
		return bad("category_uid", "%d does not belong to the class %d", e.CategoryUID, e.ClassUID)
	case e.TypeUID != int(e.ClassUID)*100+e.ActivityID:
		return bad("type_uid", "%d is not class_uid × 100 + activity_id", e.TypeUID)
	case e.ActivityID < 0 || e.ActivityID > 99:
		return bad("activity_id", "%d is not an activity", e.ActivityID)
	case e.Time <= 0:
		return bad("time", "the time is missing")
	case e.Metadata.Version != Version:
		return bad("metadata.version", "the event says OCSF %q; this platform speaks %s", e.Metadata.Version, Version)
	case e.Metadata.UID == "" || len(e.Metadata.UID) > maxUID || strings.ContainsAny(e.Metadata.UID, "\x00\n\r"):
		return bad("metadata.uid", "the identifier is missing or longer than %d bytes", maxUID)
	case !strings.HasPrefix(string(e.Metadata.Tenant), "org_"):
		return bad("metadata.tenant_uid", "the organisation is missing")
	case !strings.HasPrefix(string(e.Metadata.Reporter.UID), "nod_"):
		return bad("metadata.reporter.uid", "the node is missing")
	}
	switch e.ClassUID {
	case ProcessActivity:
		if e.Process == nil || (e.Process.PID == 0 && e.Process.UID == "") {
			return bad("process", "process_activity needs a process with its pid")
		}
	case NetworkActivity:
		if e.SrcEndpoint == nil && e.DstEndpoint == nil {
			return bad("dst_endpoint", "network_activity needs a source or a destination")
		}
	case DNSActivity:
		if e.Query == nil || e.Query.Hostname == "" {
			return bad("query.hostname", "dns_activity needs the name that was asked for")
		}
	}
	return nil
}
