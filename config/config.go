// Package config is what an operator may set: one strict YAML file, environment
// variables over it, defaults under it. No configuration is needed. An unknown
// key is an error that names its line and the nearest known key. Package cli
// loads it, app reads it.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"noroshi/fault"
)

// Config is everything. The doc tags are what `noroshi config explain` prints.
type Config struct {
	DataDir  string   `yaml:"data_dir" doc:"folder of everything that is kept; made when missing"`
	Hub      Hub      `yaml:"hub" doc:"the coordinating centre"`
	Sensor   Sensor   `yaml:"sensor" doc:"the sensor of this machine"`
	Resolver Resolver `yaml:"resolver" doc:"the protective resolver"`
	Spool    Spool    `yaml:"spool" doc:"events waiting for the hub, on disk"`
	Disk     Disk     `yaml:"disk" doc:"when to say that the disk gets full, and when to take in no more"`
	Metrics  string   `yaml:"metrics" doc:"host:port of Prometheus' metrics, /healthz and /readyz; without host on loopback, empty means none"`
	Log      Log      `yaml:"log" doc:"what the program says of itself"`
}

// Hub is the coordinating centre.
type Hub struct {
	Console       string         `yaml:"console" doc:"host:port of the console and the API; loopback until you say otherwise"`
	ConsoleTLS    bool           `yaml:"console_tls" doc:"serve the console over TLS with a certificate of the platform's authority"`
	Enrol         string         `yaml:"enrol" doc:"host:port where nodes join (TLS)"`
	Bus           string         `yaml:"bus" doc:"host:port where nodes connect (mutual TLS)"`
	NodeCert      string         `yaml:"node_certificate_life" doc:"how long a node's certificate lasts, such as 2160h; the node renews it at two thirds of that"`
	Advertise     string         `yaml:"advertise" doc:"host name or address by which nodes reach the hub; empty means this machine only"`
	NoticeURL     string         `yaml:"notice_url" doc:"https address under which owners of devices reach the console, such as https://check.example.jp; it stands in notices to them"`
	Ledger        string         `yaml:"ledger" doc:"postgres://… ; empty means SQLite in data_dir" secret:"true"`
	EventsMiB     int            `yaml:"events_memory_mib" doc:"memory for the event store's caches and queries, in MiB"`
	RetentionDays int            `yaml:"events_retention_days" doc:"how long events are kept, in days"`
	NoUpgradeCopy bool           `yaml:"migrate_without_backup" doc:"change the ledger's schema without a copy first; for databases that are backed up otherwise"`
	UpgradeCopies int            `yaml:"upgrade_backups" doc:"how many copies made before a change of the schema are kept, in data_dir/backups"`
	BusMiB        int            `yaml:"bus_max_mib" doc:"batches that may wait on disk to become durable, in MiB"`
	Name          string         `yaml:"name" doc:"of this hub among several, one for ever: a-z, 0-9, hyphen"`
	Cluster       Cluster        `yaml:"cluster" doc:"the buses of several hubs as one"`
	NATS          NATS           `yaml:"nats" doc:"an external bus"`
	Stores        []Store        `yaml:"stores" doc:"VictoriaLogs over HTTP instead of the built-in event store; each is fed with everything"`
	Partitions    int            `yaml:"partitions" doc:"in how many parts several hubs share the judging; the same in all of them"`
	Rules         []string       `yaml:"rules" doc:"folders of Sigma rules beside the project's own"`
	Policies      []string       `yaml:"policies" doc:"folders of decision policies beside the project's own"`
	Remediation   string         `yaml:"remediation" doc:"file with the times in which weaknesses are to be mended, instead of the project's own (docs/actions.md)"`
	Advisories    []AdvisoryFeed `yaml:"advisories" doc:"feeds of advisories that are downloaded every six hours; none unless you say so"`
	WarningLists  []string       `yaml:"warning_lists" doc:"folders of warning lists in MISP's format"`
	Popular       string         `yaml:"popular_names" doc:"file of popular names, one a line or rank,name"`
	Scans         Scans          `yaml:"scans" doc:"looking from outside at what owners have authorised"`
	Mail          Mail           `yaml:"mail" doc:"reminders and notices by mail, through a relay of yours"`
	Discovery     Discovery      `yaml:"discovery" doc:"looking for what organisations have on the Internet"`
	Organisations []Organisation `yaml:"organisations" doc:"the tree; the first without parent is the centre"`
}

// Scans is who looks from outside, and how often.
type Scans struct {
	Operator   string   `yaml:"operator" doc:"who scans, in English, as the public page /about-scans says; empty means no page"`
	OperatorJA string   `yaml:"operator_ja" doc:"who scans, in Japanese"`
	Contact    string   `yaml:"contact" doc:"whom to write to about scans"`
	Addresses  []string `yaml:"addresses" doc:"the addresses that scans come from"`
	URL        string   `yaml:"url" doc:"where the public page is for everybody; web servers that are scanned read it"`
	Every      string   `yaml:"every" doc:"from one whole scan of a scope to the next, such as 168h"`
}

// The times between two scans that can be meant.
const (
	minScanEvery = time.Minute
	maxScanEvery = 366 * 24 * time.Hour
)

// Interval is from one whole scan to the next; 0 when what is set is no time.
func (s Scans) Interval() time.Duration {
	d, err := time.ParseDuration(s.Every)
	if err != nil {
		return 0
	}
	return d
}

func (s Scans) check() error {
	bad := func(key, format string, args ...any) error {
		return fault.New(fault.Invalid, "config.check", format, args...).At("hub.scans.%s", key)
	}
	if every := s.Interval(); every < minScanEvery || every > maxScanEvery {
		return bad("every", "%q is not a time between %s and a year, such as 168h", s.Every, minScanEvery)
	}
	if s.Operator != "" && (s.Contact == "" || len(s.Addresses) == 0) {
		return bad("contact", "who says who scans says whom to write to and which addresses the scans come from, too (contact, addresses)")
	}
	for _, a := range s.Addresses {
		if _, err := netip.ParsePrefix(a); err != nil && net.ParseIP(a) == nil {
			return bad("addresses", "%q is no address or range", a)
		}
	}
	return nil
}

// How long a node's certificate may last. The shortest is for rehearsals.
const (
	minNodeLife = time.Second
	maxNodeLife = 2 * 365 * 24 * time.Hour
)

// NodeLife is how long a node's certificate lasts; 0 when what is set is no time.
func (h Hub) NodeLife() time.Duration {
	d, err := time.ParseDuration(h.NodeCert)
	if err != nil {
		return 0
	}
	return d
}

// AdvisoryFeed is a feed of advisories that is downloaded.
type AdvisoryFeed struct {
	Name string `yaml:"name" doc:"of the feed: letters, digits and . _ : -"`
	URL  string `yaml:"url" doc:"https address of a zip file of OSV advisories, such as an ecosystem's all.zip"`
}

// Organisation is one of the tree.
type Organisation struct {
	Slug     string   `yaml:"slug" doc:"short name: a-z, 0-9, hyphen"`
	Name     string   `yaml:"name" doc:"in English"`
	NameJA   string   `yaml:"name_ja" doc:"in Japanese"`
	Kana     string   `yaml:"kana" doc:"reading of the Japanese name"`
	Sector   string   `yaml:"sector" doc:"centre, government, health, local, energy, finance, telecom, logistics, other"`
	Parent   string   `yaml:"parent" doc:"slug of the organisation above"`
	Domains  []string `yaml:"domains" doc:"its own names, which are never blocked unseen"`
	Prefixes []string `yaml:"prefixes" doc:"its own addresses"`
	Days     int      `yaml:"retention_days" doc:"how long its events, passive DNS, quarantine and closed findings are kept, in days; 0 is hub.events_retention_days, which it cannot exceed"`
	Nodes    []string `yaml:"nodes" doc:"what 'noroshi up' runs for it on this machine: sensor, resolver"`
}

// Sensor is the sensor.
type Sensor struct {
	Tier    string `yaml:"tier" doc:"auto, ebpf or proc"`
	RingMiB int    `yaml:"ring_mib" doc:"the kernel's ring, in MiB; a power of two"`
}

// Resolver is the resolver.
type Resolver struct {
	Listen    []string `yaml:"listen" doc:"host:port, UDP and TCP; with 'up' the first resolver takes it, the others free ports on loopback"`
	Upstreams []string `yaml:"upstreams" doc:"host:port of the resolvers that are asked; empty means those of /etc/resolv.conf"`
	Allow     []string `yaml:"allow" doc:"whom to serve, as prefixes; empty means this machine only"`
	Sinkhole4 string   `yaml:"sinkhole4" doc:"IPv4 address to which sinkholed names lead"`
	Sinkhole6 string   `yaml:"sinkhole6" doc:"IPv6 address to which sinkholed names lead"`
	Cache     int      `yaml:"cache_entries" doc:"answers kept"`
	PerClient int      `yaml:"queries_per_second" doc:"per client address; 0 means no limit"`
}

// Spool is the spool.
type Spool struct {
	MaxMiB int `yaml:"max_mib" doc:"beyond it new events are dropped and counted, in MiB"`
}

// Disk is when the disk-full brake closes: when less than either of the two
// limits is free.
type Disk struct {
	WarnPercent  int `yaml:"warn_percent" doc:"free space below which the status says so, in percent"`
	BrakePercent int `yaml:"brake_percent" doc:"free space and inodes below which nothing more is taken in, in percent"`
	BrakeMiB     int `yaml:"brake_mib" doc:"free space below which nothing more is taken in, in MiB; the event store itself needs 256"`
	ReserveMiB   int `yaml:"reserve_mib" doc:"room on the hub's disk that is kept for decisions and revocations when all else is full, in MiB"`
}

// Log is the log.
type Log struct {
	Level  string `yaml:"level" doc:"debug, info, warn, error"`
	Format string `yaml:"format" doc:"text or json"`
}

// Default is the configuration of a first run: everything on this machine, and
// four member organisations, so that the line has somewhere to go.
func Default() Config {
	return Config{DataDir: defaultDir(),
		Hub: Hub{Console: "127.0.0.1:7080", Enrol: "127.0.0.1:7443", Bus: "127.0.0.1:7422", NodeCert: "2160h", EventsMiB: 512, RetentionDays: 30, BusMiB: 1024, UpgradeCopies: 5, Partitions: 8, Scans: Scans{Every: "168h"}, Discovery: Discovery{Queries: 5000, PerSecond: 20}, Mail: Mail{TLS: "starttls", PerMinute: 30, Hour: 9, Zone: "Asia/Tokyo"},
			Organisations: []Organisation{
				{Slug: "centre", Name: "Coordination Centre", NameJA: "統括センター", Kana: "とうかつせんたー", Sector: "centre"},
				{Slug: "ministry", Name: "Ministry", NameJA: "省庁", Kana: "しょうちょう", Sector: "government", Parent: "centre", Nodes: []string{"sensor", "resolver"}},
				{Slug: "hospital", Name: "Hospital", NameJA: "病院", Kana: "びょういん", Sector: "health", Parent: "centre", Nodes: []string{"resolver"}},
				{Slug: "city", Name: "City", NameJA: "市役所", Kana: "しやくしょ", Sector: "local", Parent: "centre", Nodes: []string{"resolver"}},
				{Slug: "port", Name: "Port Authority", NameJA: "港湾局", Kana: "こうわんきょく", Sector: "logistics", Parent: "centre", Nodes: []string{"resolver"}},
			}},
		Sensor:   Sensor{Tier: "auto", RingMiB: 8},
		Resolver: Resolver{Listen: []string{"127.0.0.1:5300"}, Cache: 100_000},
		Spool:    Spool{MaxMiB: 1024},
		Disk:     Disk{WarnPercent: 15, BrakePercent: 5, BrakeMiB: 2048, ReserveMiB: 64},
		Log:      Log{Level: "info", Format: "text"}}
}

func defaultDir() string {
	if os.Getuid() == 0 {
		return "/var/lib/noroshi"
	}
	if d := os.Getenv("XDG_STATE_HOME"); d != "" {
		return filepath.Join(d, "noroshi")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "noroshi-data"
	}
	return filepath.Join(home, ".local", "state", "noroshi")
}

const maxFile = 1 << 20

// Load reads the file at path ("" means none) and the environment.
func Load(path string, env []string) (Config, error) {
	c := Default()
	if path != "" {
		f, err := os.Open(path)
		if err != nil {
			return c, fault.As(fault.NotFound, "config.load", err, "the configuration %s cannot be read", path)
		}
		defer func() { _ = f.Close() }()
		b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
		if err != nil {
			return c, fault.Wrap("config.load", err)
		}
		if err := Parse(path, b, &c); err != nil {
			return c, err
		}
	}
	if err := environment(&c, env); err != nil {
		return c, err
	}
	return c, c.check()
}

var (
	unknownKey = regexp.MustCompile(`line (\d+): field (\S+) not found`)
	atLine     = regexp.MustCompile(`line (\d+): (.*)`)
)

// Parse reads YAML over c.
func Parse(file string, b []byte, c *Config) error {
	const op = "config.parse"
	if len(b) > maxFile {
		return fault.New(fault.TooLarge, op, "the file is larger than %d bytes", maxFile).At("%s", file)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	err := d.Decode(c)
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	if m := unknownKey.FindStringSubmatch(err.Error()); m != nil {
		return fault.As(fault.Invalid, op, err, "the key %q is not known%s", m[2], nearest(m[2])).At("%s, line %s", file, m[1])
	}
	if m := atLine.FindStringSubmatch(err.Error()); m != nil {
		return fault.As(fault.Invalid, op, err, "%s", m[2]).At("%s, line %s", file, m[1])
	}
	return fault.As(fault.Invalid, op, err, "not YAML: %v", err).At("%s", file)
}

// Key is one setting.
type Key struct{ Name, Doc, Value string }

// Keys lists every setting with its value; secrets are masked.
func (c Config) Keys() []Key {
	var out []Key
	walk("", reflect.ValueOf(c), func(name string, f reflect.StructField, v reflect.Value) {
		value := fmt.Sprint(v.Interface())
		if f.Tag.Get("secret") != "" && value != "" {
			value = "••••"
		}
		out = append(out, Key{name, f.Tag.Get("doc"), value})
	})
	return out
}

func walk(prefix string, v reflect.Value, fn func(string, reflect.StructField, reflect.Value)) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := prefix + f.Tag.Get("yaml")
		if f.Type.Kind() == reflect.Struct {
			walk(name+".", v.Field(i), fn)
			continue
		}
		fn(name, f, v.Field(i))
	}
}

// nearest suggests the known key that is most alike.
func nearest(key string) string {
	best, dist := "", 4
	for _, k := range Default().Keys() {
		last := k.Name[strings.LastIndexByte(k.Name, '.')+1:]
		if d := distance(key, last); d < dist {
			best, dist = k.Name, d
		}
	}
	if best == "" {
		return "; 'noroshi config explain' lists all keys"
	}
	return fmt.Sprintf("; is %s meant?", best)
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// environment sets what variables say: NOROSHI_HUB_CONSOLE for hub.console.
// Lists are separated by commas.
func environment(c *Config, env []string) error {
	vars := map[string]string{}
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok && strings.HasPrefix(k, "NOROSHI_") {
			vars[k] = v
		}
	}
	var err error
	walk("", reflect.ValueOf(c).Elem(), func(name string, _ reflect.StructField, v reflect.Value) {
		k := "NOROSHI_" + strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
		s, ok := vars[k]
		if !ok || err != nil {
			return
		}
		delete(vars, k)
		if e := set(v, s); e != nil {
			err = fault.As(fault.Invalid, "config.env", e, "%q does not fit", s).At("%s", k)
		}
	})
	if err != nil {
		return err
	}
	var unknown []string
	for k := range vars {
		if !strings.HasPrefix(k, "NOROSHI_TEST_") && k != "NOROSHI_CONFIG" {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) > 0 {
		sort.Strings(unknown)
		return fault.New(fault.Invalid, "config.env", "the variable is not known; 'noroshi config explain' lists all keys").At("%s", unknown[0])
	}
	return nil
}

func set(v reflect.Value, s string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Int:
		n, err := strconv.Atoi(s)
		v.SetInt(int64(n))
		return err
	case reflect.Bool:
		b, err := strconv.ParseBool(s)
		v.SetBool(b)
		return err
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.String {
			return errors.New("lists of sections are set in the file")
		}
		v.Set(reflect.ValueOf(strings.Split(s, ",")))
	}
	return nil
}

// check finds what can never work.
func (c Config) check() error {
	bad := func(key, format string, args ...any) error {
		return fault.New(fault.Invalid, "config.check", format, args...).At("%s", key)
	}
	for key, addr := range map[string]string{"hub.console": c.Hub.Console, "hub.enrol": c.Hub.Enrol, "hub.bus": c.Hub.Bus} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return bad(key, "%q is not of the form host:port", addr)
		}
	}
	if host, _, _ := net.SplitHostPort(c.Hub.Console); !c.Hub.ConsoleTLS && !loopback(host) {
		return bad("hub.console", "%s is not this machine alone: set hub.console_tls to true, or sessions could be read on the way", c.Hub.Console)
	}
	if u := c.Hub.NoticeURL; u != "" && !strings.HasPrefix(u, "https://") {
		return bad("hub.notice_url", "%q is no https address, such as https://check.example.jp: what stands in a notice must not be read on the way", u)
	}
	if _, _, err := net.SplitHostPort(c.Metrics); c.Metrics != "" && err != nil {
		return bad("metrics", "%q is not of the form host:port", c.Metrics)
	}
	switch d := c.Disk; {
	case d.WarnPercent < 0 || d.WarnPercent > 90 || d.BrakePercent < 0 || d.BrakePercent > 90:
		return bad("disk", "the percentages must lie between 0 and 90")
	case d.BrakeMiB < minBrakeMiB:
		return bad("disk.brake_mib", "the brake must close before the event store does: at least %d", minBrakeMiB)
	case d.ReserveMiB < 0 || d.ReserveMiB > d.BrakeMiB/2:
		return bad("disk.reserve_mib", "the reserve must be smaller than half of disk.brake_mib")
	}
	if life := c.Hub.NodeLife(); life < minNodeLife || life > maxNodeLife {
		return bad("hub.node_certificate_life", "%q is not a time between %s and %s, such as 2160h for 90 days", c.Hub.NodeCert, minNodeLife, maxNodeLife)
	}
	if err := c.Hub.checkSeveral(); err != nil {
		return err
	}
	if err := c.Hub.Scans.check(); err != nil {
		return err
	}
	for i, a := range c.Hub.Advisories {
		if u, err := url.Parse(a.URL); a.Name == "" || err != nil || u.Scheme != "https" || u.Host == "" {
			return bad(fmt.Sprintf("hub.advisories[%d]", i), "a feed has a name and an https address; %q is none", a.URL)
		}
	}
	if err := c.Hub.Discovery.check(); err != nil {
		return err
	}
	if err := c.Hub.Mail.check(); err != nil {
		return err
	}
	seen := map[string]bool{}
	roots := 0
	for i, o := range c.Hub.Organisations {
		key := fmt.Sprintf("hub.organisations[%d]", i)
		switch {
		case o.Slug == "" || seen[o.Slug]:
			return bad(key, "the slug %q is missing or used twice", o.Slug)
		case o.Parent != "" && !seen[o.Parent]:
			return bad(key, "the parent %q is not listed before it", o.Parent)
		case o.Parent == "":
			roots++
		}
		if o.Days < 0 || o.Days > c.Hub.RetentionDays {
			return bad(key+".retention_days", "%d days cannot be: events are kept for %d days (hub.events_retention_days)", o.Days, c.Hub.RetentionDays)
		}
		for _, n := range o.Nodes {
			if n != "sensor" && n != "resolver" {
				return bad(key, "%q is not a node (sensor, resolver)", n)
			}
		}
		seen[o.Slug] = true
	}
	if roots != 1 {
		return bad("hub.organisations", "there must be one organisation without parent, the centre; there are %d", roots)
	}
	return nil
}

// minBrakeMiB is what must be free at least: the event store refuses rows below
// 256 MiB, and what was taken by then must still find room.
const minBrakeMiB = 384

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// Dump writes the whole configuration as YAML, secrets masked.
func (c Config) Dump() ([]byte, error) {
	walk("", reflect.ValueOf(&c).Elem(), func(_ string, f reflect.StructField, v reflect.Value) {
		if f.Tag.Get("secret") != "" && v.Kind() == reflect.String && v.String() != "" {
			v.SetString("••••")
		}
	})
	b, err := yaml.Marshal(c)
	return b, fault.Wrap("config.dump", err)
}
