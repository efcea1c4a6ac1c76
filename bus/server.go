package bus

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"noroshi/fault"
	"noroshi/ident"
)

// ServerConfig is what the embedded server needs.
type ServerConfig struct {
	Dir      string      // JetStream's folder
	Listen   string      // host:port for nodes; port 0 takes a free one
	TLS      *tls.Config // must require and verify client certificates
	MaxBytes int64       // of unprocessed batches on disk; publishers wait beyond it
	Name     string      // of this hub's server, one for ever; "noroshi" when it is alone
	Cluster  *Cluster    // nil when it is alone
}

// Cluster joins the servers of several hubs.
type Cluster struct {
	Listen string      // host:port for other hubs
	Hubs   []string    // host:port of the other hubs
	TLS    *tls.Config // must require and verify a hub's certificate, in both directions
}

// ServerDeps is what the server asks of others.
type ServerDeps struct {
	// Admit tells whose certificate this is; an error refuses the connection.
	Admit func(cert *x509.Certificate) (Node, time.Time, error)
	// Feeds lists the feeds that an organisation may read.
	Feeds func(org ident.ID) []string
	Log   *slog.Logger
}

// Server is the embedded NATS server.
type Server struct {
	cfg    ServerConfig
	deps   ServerDeps
	nats   *server.Server
	secret string // of the hub's own connection, which is in process

	mu      sync.Mutex
	clients map[ident.ID]map[uint64]bool // node → its connections
	joined  map[ident.ID]bool            // organisations that have their account
}

// NewServer starts the server; Close stops it.
func NewServer(cfg ServerConfig, deps ServerDeps) (*Server, error) {
	const op = "bus.server"
	host, port, err := splitListen(cfg.Listen)
	if err != nil {
		return nil, err
	}
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return nil, fault.Wrap(op, err)
	}
	s := &Server{cfg: cfg, deps: deps, secret: hex.EncodeToString(secret[:]),
		clients: map[ident.ID]map[uint64]bool{}, joined: map[ident.ID]bool{}}
	opts := &server.Options{
		ServerName: "noroshi", Host: host, Port: port, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: cfg.Dir, JetStreamMaxStore: cfg.MaxBytes + 1<<30, JetStreamMaxMemory: 64 << 20,
		SyncAlways: true, // An acknowledged batch survives a power cut too.
		MaxPayload: MaxPayload, MaxPending: maxPending, MaxControlLine: 4096, MaxSubs: 1024,
		TLSConfig: cfg.TLS, TLS: true, TLSVerify: true, TLSTimeout: 5,
		CustomClientAuthentication: s, PingInterval: 20 * time.Second, MaxPingsOut: 2,
		WriteDeadline: 5 * time.Second,
	}
	if cfg.Cluster != nil {
		if err := clustered(opts, cfg); err != nil {
			return nil, err
		}
	}
	if s.nats, err = server.NewServer(opts); err != nil {
		return nil, fault.As(fault.Internal, op, err, "the bus cannot start")
	}
	s.nats.SetLogger(natsLog{deps.Log}, false, false)
	s.nats.Start()
	if !s.nats.ReadyForConnections(20 * time.Second) {
		s.nats.Shutdown()
		return nil, fault.New(fault.Unavailable, op, "the bus did not start on %s within 20 s; is the port taken?", cfg.Listen)
	}
	return s, nil
}

// clustered adds to the options what joins the server with those of other hubs.
func clustered(opts *server.Options, cfg ServerConfig) error {
	host, port, err := splitListen(cfg.Cluster.Listen)
	if err != nil {
		return err
	}
	if cfg.Name == "" {
		return fault.New(fault.Invalid, "bus.cluster", "a hub of several needs a name of its own")
	}
	opts.ServerName = cfg.Name
	// Nodes are told of one address only; which hub answers there is no matter of theirs.
	opts.Cluster = server.ClusterOpts{Name: "noroshi", Host: host, Port: port, TLSConfig: cfg.Cluster.TLS, TLSTimeout: 5, NoAdvertise: true,
		PingInterval: time.Second, MaxPingsOut: 2} // What is sent to a hub whose network is cut is lost until then.
	for _, h := range cfg.Cluster.Hubs {
		u, err := url.Parse("nats-route://" + h)
		if err != nil || u.Port() == "" {
			return fault.As(fault.Invalid, "bus.cluster", err, "%q is not an address of the form host:port", h)
		}
		opts.Routes = append(opts.Routes, u)
	}
	return nil
}

// ClusterAddr is where other hubs connect.
func (s *Server) ClusterAddr() string { return s.nats.ClusterAddr().String() }

// Addr is where nodes connect.
func (s *Server) Addr() string { return s.nats.Addr().String() }

// Close stops the server and waits until its files are closed.
func (s *Server) Close() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

// Check implements server.Authentication. The hub's own connection is in
// process and knows a random secret; everybody else is its certificate.
func (s *Server) Check(c server.ClientAuthentication) bool {
	if o := c.GetOpts(); o != nil && o.Username == "hub" &&
		subtle.ConstantTimeCompare([]byte(o.Password), []byte(s.secret)) == 1 {
		c.RegisterUser(&server.User{Username: "hub", Account: s.nats.GlobalAccount()})
		return true
	}
	tlsState := c.GetTLSConnectionState()
	if tlsState == nil || len(tlsState.VerifiedChains) == 0 {
		return false
	}
	node, until, err := s.deps.Admit(tlsState.PeerCertificates[0])
	if err != nil {
		s.deps.Log.Warn("connection refused", "role", "hub", "peer", c.RemoteAddress().String(), "why", fault.PublicOf(err))
		return false
	}
	acc, err := s.account(node.Org)
	if err != nil {
		s.deps.Log.Error("an organisation has no account on the bus; its node is refused", "role", "bus", "org", node.Org, "node", node.ID, "err", err)
		return false
	}
	publish, subscribe := permissions(node, s.deps.Feeds)
	c.RegisterUser(&server.User{Username: string(node.ID), Account: acc, ConnectionDeadline: until, Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: subscribe}}})
	s.remember(node.ID, c.GetID())
	// It may have been cut off before its connection was known, and be missed.
	_, _, err = s.deps.Admit(tlsState.PeerCertificates[0])
	return err == nil
}

// permissions are the subjects that a node may publish to and read.
func permissions(n Node, feeds func(ident.ID) []string) (publish, subscribe []string) {
	subscribe = []string{inboxPrefix + string(n.ID) + ".>"}
	for _, f := range feeds(n.Org) {
		subscribe = append(subscribe, "feed."+f)
	}
	return []string{n.subject("obs"), n.subject("ack"), n.subject("sync"), n.subject("status")}, subscribe
}

// account returns the organisation's account, made and joined to the hub's when
// it is first needed. Replies of the hub reach the asking account only, so a
// node cannot make the hub speak on somebody else's subject.
func (s *Server) account(org ident.ID) (*server.Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	acc, _ := s.nats.LookupOrRegisterAccount(string(org))
	if s.joined[org] {
		return acc, nil
	}
	hub := s.nats.GlobalAccount()
	for _, verb := range []string{"obs", "ack", "sync", "status"} {
		subject := verb + "." + string(org) + ".*"
		if err := hub.AddServiceExport(subject, []*server.Account{acc}); err != nil {
			return nil, fault.Wrap("bus.export", err)
		}
		if err := acc.AddServiceImport(hub, subject, subject); err != nil {
			return nil, fault.Wrap("bus.import", err)
		}
	}
	for _, f := range s.deps.Feeds(org) {
		if err := hub.AddStreamExport("feed."+f, nil); err != nil {
			return nil, fault.Wrap("bus.export", err)
		}
		if err := acc.AddStreamImport(hub, "feed."+f, ""); err != nil {
			return nil, fault.Wrap("bus.import", err)
		}
	}
	s.joined[org] = true
	return acc, nil
}

func (s *Server) remember(node ident.ID, client uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[node] == nil {
		s.clients[node] = map[uint64]bool{}
	}
	s.clients[node][client] = true
}

// Disconnect cuts every connection of a node. Admit must refuse it by then.
func (s *Server) Disconnect(node ident.ID) {
	s.mu.Lock()
	clients := s.clients[node]
	delete(s.clients, node)
	s.mu.Unlock()
	for id := range clients {
		// An id whose connection ended by itself is no error worth a word.
		_ = s.nats.DisconnectClientByID(id)
	}
}

// Connected tells how many connections there are, for the status page.
func (s *Server) Connected(context.Context) (int, error) { return s.nats.NumClients(), nil }

func splitListen(addr string) (string, int, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return "", 0, fault.As(fault.Invalid, "bus.listen", err, "%q is not an address of the form host:port", addr)
	}
	port := a.Port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	host, _, _ := net.SplitHostPort(addr)
	if host == "" {
		host = "0.0.0.0"
	}
	return host, port, nil
}

// maxLogLine is how much is logged of what the server says, which repeats what a
// stranger's certificate says.
const maxLogLine = 500

// natsLog passes the server's errors and warnings on.
type natsLog struct{ log *slog.Logger }

func (l natsLog) Noticef(string, ...any)    {}
func (l natsLog) Debugf(string, ...any)     {}
func (l natsLog) Tracef(string, ...any)     {}
func (l natsLog) Warnf(f string, a ...any)  { l.write(slog.LevelWarn, f, a) }
func (l natsLog) Errorf(f string, a ...any) { l.write(slog.LevelWarn, f, a) }
func (l natsLog) Fatalf(f string, a ...any) { l.write(slog.LevelError, f, a) }
func (l natsLog) write(v slog.Level, f string, a []any) {
	if strings.Contains(f, "Unknown account") {
		return // Nodes of that organisation are at another hub; what is for them goes through the hubs' account.
	}
	text := sprintf(f, a)
	l.log.Log(context.Background(), v, text[:min(len(text), maxLogLine)], "role", "bus")
}
