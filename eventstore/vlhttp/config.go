package vlhttp

import (
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"noroshi/fault"
)

// Config says where a VictoriaLogs is and how it was started.
type Config struct {
	Insert string // URL of a single node, or of a cluster's vlinsert
	Select string // URL of a cluster's vlselect; empty means Insert
	// Account and Project are the tenant of the server that holds our events and
	// nothing else. Our organisations are no tenants of the server: a question has
	// one tenant only, and readers may see many organisations at once.
	Account, Project uint32
	// Retention is how long events are kept. The server drops silently what it
	// finds too old, so its -retentionPeriod must not be shorter, nor its
	// -futureRetention shorter than a day. A single node is asked for them.
	Retention time.Duration
	// Hold is 0 for a single node, which Sync asks to write to disk. A cluster
	// cannot be asked. Its rows count as durable once they were seen for so long:
	// at least two of its -inmemoryDataFlushInterval and a second.
	Hold time.Duration

	Token          Secret // of a bearer, or
	User           string // basic authentication
	Password       Secret
	FlushKey       Secret // the server's -forceFlushAuthKey, if it has one
	PartitionKey   Secret // and its -partitionManageAuthKey
	MetricsKey     Secret // and its -metricsAuthKey
	CAFile         string // who signs the server's certificate; empty means the system's list
	AllowPlainHTTP bool   // to another machine than this one
}

// MinHold is the shortest time after which rows may count as durable.
const MinHold = time.Second

// Secret is a text, or a file that holds it and is read again at each use, so
// that it can be changed. It never shows itself.
type Secret struct{ Value, File string }

// String hides the secret from what prints a Config.
func (s Secret) String() string {
	if s == (Secret{}) {
		return ""
	}
	return "(hidden)"
}

// GoString hides it from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides it from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides it from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Secret) read() (string, error) {
	if s.File == "" {
		return s.Value, nil
	}
	b, err := os.ReadFile(s.File)
	if err != nil {
		return "", fault.As(fault.Unavailable, "vlhttp.secret", err, "the file of a secret of the event store cannot be read")
	}
	return strings.TrimSpace(string(b)), nil
}

// check completes a configuration and says what is wrong with it.
func (c *Config) check() error {
	const op = "vlhttp.open"
	if c.Select == "" {
		c.Select = c.Insert
	}
	for _, u := range []*string{&c.Insert, &c.Select} {
		p, err := url.Parse(*u)
		if err != nil || p.Host == "" || p.Scheme != "http" && p.Scheme != "https" || p.User != nil || p.RawQuery != "" || p.Fragment != "" {
			// The address is not repeated: it may hold a password.
			return fault.New(fault.Invalid, op, "an address of the event store must read https://host:port, with credentials given beside it")
		}
		if p.Scheme == "http" && !c.AllowPlainHTTP && !local(p.Hostname()) {
			return fault.New(fault.Invalid, op, "the event store at %s would be spoken to in the clear; use https, or allow it", p.Host)
		}
		*u = strings.TrimSuffix(p.String(), "/")
	}
	if c.Retention < 24*time.Hour {
		return fault.New(fault.Invalid, op, "events must be kept for a day at least")
	}
	if c.Hold != 0 && c.Hold < MinHold {
		return fault.New(fault.Invalid, op, "rows of a cluster are held for %s at least", MinHold)
	}
	if c.Token != (Secret{}) && c.User != "" {
		return fault.New(fault.Invalid, op, "the event store takes a token or a user with a password, not both")
	}
	return nil
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
