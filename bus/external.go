package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"noroshi/fault"
	"noroshi/ident"
)

// ExternalConfig names a NATS cluster that others run. deploy/nats has the
// server's side of it.
type ExternalConfig struct {
	URLs           []string    // tls://host:port
	Nodes          string      // host:port for nodes; the first of the servers when empty
	TLS            *tls.Config // with the hub's own certificate
	HubPassword    string      // of the user hub, whose account holds the streams
	SystemPassword string      // of the user sys, of the system account
	CalloutSeed    string      // signs who is admitted; the servers know its public key
}

// nodesAccount is where stock servers put nodes: an account that imports what a
// node may reach of the hubs'. The user's permissions narrow it to its own.
const nodesAccount = "NODES"

// External is the line to an external NATS cluster. The servers ask it whom to
// admit (NATS auth callout), because they cannot run our authentication.
type External struct {
	cfg   ExternalConfig
	deps  ServerDeps
	key   nkeys.KeyPair
	hub   *nats.Conn
	sys   *nats.Conn
	conns jetstream.KeyValue // node.server.connection, so that any hub can cut a node off
}

// NewCallout makes the key that signs who is admitted: its seed for the hubs, its
// public half for the servers.
func NewCallout() (seed, public string, err error) {
	key, err := nkeys.CreateAccount()
	if err != nil {
		return "", "", fault.Wrap("bus.callout", err)
	}
	s, err := key.Seed()
	if err != nil {
		return "", "", fault.Wrap("bus.callout", err)
	}
	public, err = key.PublicKey()
	return string(s), public, fault.Wrap("bus.callout", err)
}

// Connect joins a cluster. It returns when the cluster answers, or ctx ends.
func Connect(ctx context.Context, cfg ExternalConfig, deps ServerDeps) (*External, error) {
	const op = "bus.connect"
	e := &External{cfg: cfg, deps: deps}
	var err error
	if e.key, err = nkeys.FromSeed([]byte(cfg.CalloutSeed)); err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the callout's seed (hub.nats.callout_seed) is no account seed of nkeys")
	}
	if e.hub, err = e.dial("hub", cfg.HubPassword); err != nil {
		return nil, err
	}
	if e.sys, err = e.dial("sys", cfg.SystemPassword); err != nil {
		e.hub.Close()
		return nil, err
	}
	if err := e.open(ctx); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

func (e *External) dial(user, password string) (*nats.Conn, error) {
	nc, err := nats.Connect(strings.Join(e.cfg.URLs, ","), nats.Secure(e.cfg.TLS), nats.UserInfo(user, password), nats.Name("noroshi "+user),
		nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.RetryOnFailedConnect(true), nats.IgnoreAuthErrorAbort(),
		nats.Timeout(5*time.Second), nats.PingInterval(pingEvery),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			e.deps.Log.Warn("the bus complains", "role", "hub", "user", user, "err", err)
		}))
	if err != nil {
		return nil, fault.As(fault.Invalid, "bus.connect", err, "the bus at %s cannot be used (hub.nats.urls)", strings.Join(e.cfg.URLs, ", "))
	}
	return nc, nil
}

// open begins to answer who is admitted.
func (e *External) open(ctx context.Context) error {
	js, err := jetstream.New(e.hub)
	if err != nil {
		return fault.Wrap("bus.connect", err)
	}
	err = patiently(ctx, func(ctx context.Context) (err error) {
		// A connection ends with its certificate: what is older is no more.
		e.conns, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "connections", Storage: jetstream.FileStorage, Replicas: min(3, len(e.cfg.URLs)), TTL: 400 * 24 * time.Hour})
		return err
	})
	if err != nil {
		return fault.As(fault.Unavailable, "bus.connect", err, "the bus does not answer; are the password of the user hub and the server's accounts right?")
	}
	_, err = e.hub.QueueSubscribe("$SYS.REQ.USER.AUTH", hubsQueue, func(m *nats.Msg) { go e.callout(m) })
	return fault.Wrap("bus.connect", err)
}

// callout answers one question of a server: may this connection come in?
func (e *External) callout(m *nats.Msg) {
	req, err := jwt.DecodeAuthorizationRequestClaims(string(m.Data))
	if err != nil {
		return // Only servers ask, and sign; what is no question gets no answer.
	}
	answer := jwt.NewAuthorizationResponseClaims(req.UserNkey)
	answer.Audience = req.Server.ID
	if answer.Jwt, err = e.admit(req); err != nil {
		e.deps.Log.Warn("connection refused", "role", "hub", "peer", req.ClientInformation.Host, "why", fault.PublicOf(err))
		answer.Error = fault.PublicOf(err)
	}
	signed, err := answer.Encode(e.key)
	if err != nil {
		e.deps.Log.Error("an admission cannot be signed", "role", "hub", "err", err)
		return
	}
	_ = m.Respond([]byte(signed)) // The node tries again.
}

// admit makes the user that a node is on the bus.
func (e *External) admit(req *jwt.AuthorizationRequestClaims) (string, error) {
	const op = "bus.admit"
	cert, err := leaf(req.TLS)
	if err != nil {
		return "", err
	}
	node, until, err := e.deps.Admit(cert)
	if err != nil {
		return "", err
	}
	user := jwt.NewUserClaims(req.UserNkey)
	user.Name, user.Audience, user.Expires = string(node.ID), nodesAccount, until.Unix()
	publish, subscribe := permissions(node, e.deps.Feeds)
	user.Permissions.Pub.Allow, user.Permissions.Sub.Allow = publish, subscribe
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// It is written down before the node is in: whoever cuts it off finds it.
	key := strings.Join([]string{string(node.ID), req.Server.ID, strconv.FormatUint(req.ClientInformation.ID, 10)}, ".")
	if _, err := e.conns.Put(ctx, key, nil); err != nil {
		return "", fault.As(fault.Unavailable, op, err, "the bus does not keep who is connected")
	}
	if _, _, err := e.deps.Admit(cert); err != nil {
		return "", err // It was cut off meanwhile, maybe before its connection could be found.
	}
	signed, err := user.Encode(e.key)
	return signed, fault.Wrap(op, err)
}

// leaf is the verified certificate of a connection.
func leaf(t *jwt.ClientTLS) (*x509.Certificate, error) {
	const op = "bus.admit"
	if t == nil || len(t.VerifiedChains) == 0 || len(t.VerifiedChains[0]) == 0 {
		return nil, fault.New(fault.Unauthenticated, op, "the connection shows no certificate of the platform's authority")
	}
	block, _ := pem.Decode([]byte(t.VerifiedChains[0][0]))
	if block == nil {
		return nil, fault.New(fault.Unauthenticated, op, "the connection's certificate cannot be read")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fault.As(fault.Unauthenticated, op, err, "the connection's certificate cannot be read")
	}
	return cert, nil
}

// Hub is the hub's own line.
func (e *External) Hub(ctx context.Context, layout Layout) (*Hub, error) {
	return newHub(ctx, e.hub, layout)
}

// Disconnect cuts every connection of a node, at whichever server. Admit must
// refuse it by then.
func (e *External) Disconnect(node ident.ID) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	keys, err := e.conns.ListKeysFiltered(ctx, string(node)+".>")
	if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		e.deps.Log.Error("the connections of a node that was cut off cannot be found; it is out when it next connects", "role", "hub", "node", node, "err", err)
		return
	}
	if keys == nil {
		return
	}
	for key := range keys.Keys() {
		part := strings.Split(key, ".")
		if len(part) != 3 {
			continue
		}
		id, err := strconv.ParseUint(part[2], 10, 64)
		if err != nil {
			continue
		}
		kick, _ := json.Marshal(map[string]uint64{"cid": id})
		// The server acts only where it may answer; nobody waits for what it says.
		if err := e.sys.PublishRequest("$SYS.REQ.SERVER."+part[1]+".KICK", nats.NewInbox(), kick); err != nil {
			e.deps.Log.Error("a node that was cut off cannot be disconnected", "role", "hub", "node", node, "err", err)
			continue
		}
		_ = e.conns.Delete(ctx, key) // A second kick would do no harm.
	}
}

// Addr is where nodes connect.
func (e *External) Addr() string {
	if e.cfg.Nodes != "" {
		return e.cfg.Nodes
	}
	return strings.TrimPrefix(e.cfg.URLs[0], "tls://")
}

// answerTime is how long the servers have to say how they are.
const answerTime = time.Second

// Connected tells how many connections the servers have together. Each of them is
// asked, and says how many they are: when one does not answer, nobody knows.
func (e *External) Connected(ctx context.Context) (int, error) {
	const op = "bus.connected"
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	inbox := nats.NewInbox()
	sub, err := e.sys.SubscribeSync(inbox)
	if err != nil {
		return 0, fault.As(fault.Unavailable, op, err, "the bus is away")
	}
	defer func() { _ = sub.Unsubscribe() }() // It ends with the line at the latest.
	if err := e.sys.PublishRequest("$SYS.REQ.SERVER.PING.STATSZ", inbox, nil); err != nil {
		return 0, fault.As(fault.Unavailable, op, err, "the bus is away")
	}
	connections, servers, sum := map[string]int{}, 1, 0
	for len(connections) < servers {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return 0, fault.As(fault.Unavailable, op, err, "of %d servers of the bus %d say how many connections they have", servers, len(connections))
		}
		var says struct {
			Server struct{ ID string }
			Stats  struct {
				Connections int
				Servers     int `json:"active_servers"`
			} `json:"statsz"`
		}
		if err := json.Unmarshal(m.Data, &says); err != nil {
			return 0, fault.As(fault.Invalid, op, err, "what a server of the bus says of itself cannot be read")
		}
		connections[says.Server.ID], servers = says.Stats.Connections, max(servers, says.Stats.Servers)
	}
	for _, n := range connections {
		sum += n
	}
	return sum, nil
}

// Close drops the lines.
func (e *External) Close() {
	e.hub.Close()
	e.sys.Close()
}
