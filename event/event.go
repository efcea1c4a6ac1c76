// Package event is the one shape of an observation: an OCSF 1.8.0 event with
// the attributes that the project's sensors fill and its engines read. Names in
// JSON are OCSF's. What a source said in its own words stays beside it in
// Unmapped, so that a rule written for the source still matches without loss.
//
// The package holds plain data, its validation, its JSON codec and its
// flattening into dotted fields ("process.file.path"). Batches in transit are
// compressed by package bus; events are kept by package eventstore.
package event

import "noroshi/ident"

// Version is the OCSF version of every event.
const Version = "1.8.0"

// Class is an OCSF class_uid.
type Class int

// The classes in use.
const (
	ProcessActivity Class = 1007
	NetworkActivity Class = 4001
	DNSActivity     Class = 4003
)

// Activities (OCSF activity_id) of the classes in use.
const (
	ProcessLaunch    = 1
	ProcessTerminate = 2
	NetworkOpen      = 1
	NetworkClose     = 2
	NetworkFail      = 4
	NetworkListen    = 7
	DNSQuery         = 1
	DNSResponse      = 2
	DNSTraffic       = 6 // query and response in one event
)

// Directions (connection_info.direction_id).
const (
	DirectionInbound  = 1
	DirectionOutbound = 2
)

// Dispositions (disposition_id) and actions (action_id) of the Security
// Control profile.
const (
	ActionAllowed      = 1
	ActionDenied       = 2
	DispositionAllowed = 1
	DispositionBlocked = 2
)

// Tiers: which eye of the sensor saw the event (metadata.log_provider).
const (
	TierEBPF     = "ebpf"     // tp_btf and cgroup hooks
	TierProc     = "proc"     // proc connector and /proc
	TierResolver = "resolver" // the protective resolver
)

// Event is one observation. Times are milliseconds since the epoch, UTC, as
// OCSF's timestamp_t; TimeNano refines Time for ordering and the clock.
type Event struct {
	ClassUID    Class `json:"class_uid"`
	CategoryUID int   `json:"category_uid"`
	ActivityID  int   `json:"activity_id"`
	TypeUID     int   `json:"type_uid"`
	SeverityID  int   `json:"severity_id"`
	Time        int64 `json:"time"`

	Metadata Metadata `json:"metadata"`
	Device   *Device  `json:"device,omitempty"`
	Actor    *Actor   `json:"actor,omitempty"`

	Process  *Process `json:"process,omitempty"`
	ExitCode *int     `json:"exit_code,omitempty"`

	SrcEndpoint    *Endpoint       `json:"src_endpoint,omitempty"`
	DstEndpoint    *Endpoint       `json:"dst_endpoint,omitempty"`
	ConnectionInfo *ConnectionInfo `json:"connection_info,omitempty"`

	Query   *DNSQueryInfo `json:"query,omitempty"`
	Answers []DNSAnswer   `json:"answers,omitempty"`
	RCode   string        `json:"rcode,omitempty"`
	RCodeID *int          `json:"rcode_id,omitempty"`
	// ResponseTime is when the answer left (dns_activity).
	ResponseTime int64 `json:"response_time,omitempty"`

	ActionID      int     `json:"action_id,omitempty"`
	DispositionID int     `json:"disposition_id,omitempty"`
	Policy        *Policy `json:"policy,omitempty"`

	Message string `json:"message,omitempty"`
	// Unmapped holds the source's own field names and values.
	Unmapped map[string]string `json:"unmapped,omitempty"`

	observables []Observable // nil until they were looked for
}

// Metadata says where the event comes from.
type Metadata struct {
	Version  string   `json:"version"`            // OCSF version
	UID      string   `json:"uid"`                // unique id of the event: node and sequence
	Sequence uint64   `json:"sequence"`           // per node, strictly growing
	Product  Product  `json:"product"`            // what made it
	Tenant   ident.ID `json:"tenant_uid"`         // the organisation
	Reporter Reporter `json:"reporter"`           // the node
	Provider string   `json:"log_provider"`       // the tier that saw it
	Profiles []string `json:"profiles,omitempty"` // OCSF profiles in use
	Labels   []string `json:"labels,omitempty"`   // "realm:exercise" on rehearsed events
	// LoggedTime is when the node wrote it down, in milliseconds.
	LoggedTime int64 `json:"logged_time,omitempty"`
}

// Product is OCSF product.
type Product struct {
	Name       string  `json:"name"`
	VendorName string  `json:"vendor_name"`
	Version    string  `json:"version,omitempty"`
	Feature    Feature `json:"feature,omitzero"`
}

// Feature is OCSF feature: which part of the product.
type Feature struct {
	Name string `json:"name"`
}

// Reporter is OCSF reporter: the node that sent the event.
type Reporter struct {
	UID      ident.ID `json:"uid"`
	Hostname string   `json:"hostname,omitempty"`
}

// Device is the machine the event is about.
type Device struct {
	Hostname string `json:"hostname,omitempty"`
	UID      string `json:"uid,omitempty"`
	IP       string `json:"ip,omitempty"`
	TypeID   int    `json:"type_id"`
	OS       *OS    `json:"os,omitempty"`
}

// OS is OCSF os.
type OS struct {
	Name   string `json:"name"`
	TypeID int    `json:"type_id"` // 100 Windows, 200 Linux, 300 macOS
}

// Actor is who did it.
type Actor struct {
	Process *Process `json:"process,omitempty"`
	User    *User    `json:"user,omitempty"`
}

// User is OCSF user.
type User struct {
	Name   string `json:"name,omitempty"`
	UID    string `json:"uid,omitempty"`
	Domain string `json:"domain,omitempty"`
}

// Process is OCSF process.
type Process struct {
	PID              int      `json:"pid,omitempty"`
	UID              string   `json:"uid,omitempty"` // stable key: pid and start time
	Name             string   `json:"name,omitempty"`
	CmdLine          string   `json:"cmd_line,omitempty"`
	WorkingDirectory string   `json:"working_directory,omitempty"`
	Integrity        string   `json:"integrity,omitempty"`
	CreatedTime      int64    `json:"created_time,omitempty"`
	TerminatedTime   int64    `json:"terminated_time,omitempty"`
	File             *File    `json:"file,omitempty"`
	User             *User    `json:"user,omitempty"`
	ParentProcess    *Process `json:"parent_process,omitempty"`
}

// File is OCSF file.
type File struct {
	Path   string        `json:"path,omitempty"`
	Name   string        `json:"name,omitempty"`
	TypeID int           `json:"type_id"`
	Hashes []Fingerprint `json:"hashes,omitempty"`
}

// Fingerprint is OCSF fingerprint: a hash of a file.
type Fingerprint struct {
	AlgorithmID int    `json:"algorithm_id"` // 1 MD5, 2 SHA-1, 3 SHA-256
	Value       string `json:"value"`
}

// Endpoint is OCSF network_endpoint.
type Endpoint struct {
	IP       string `json:"ip,omitempty"`
	Port     int    `json:"port,omitempty"`
	Hostname string `json:"hostname,omitempty"`
}

// ConnectionInfo is OCSF network_connection_info.
type ConnectionInfo struct {
	ProtocolName string `json:"protocol_name,omitempty"` // "tcp", "udp"
	ProtocolNum  int    `json:"protocol_num,omitempty"`
	DirectionID  int    `json:"direction_id"`
	UID          string `json:"uid,omitempty"` // socket cookie
}

// DNSQueryInfo is OCSF dns_query.
type DNSQueryInfo struct {
	Hostname string `json:"hostname"` // without the trailing dot, lower case
	Type     string `json:"type,omitempty"`
	Class    string `json:"class,omitempty"`
}

// DNSAnswer is OCSF dns_answer.
type DNSAnswer struct {
	RData string `json:"rdata"`
	Type  string `json:"type,omitempty"`
	Class string `json:"class,omitempty"`
	TTL   int    `json:"ttl"`
}

// Policy is OCSF policy: why it was blocked.
type Policy struct {
	UID  string `json:"uid,omitempty"` // the indicator
	Name string `json:"name,omitempty"`
	Desc string `json:"desc,omitempty"`
}
