package bus

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"noroshi/fault"
)

// Client is a node's line to the hub. It connects by itself, for as long as it
// takes, and says so through Changed.
type Client struct {
	node    Node
	nc      *nats.Conn
	changed chan struct{}

	mu   sync.Mutex
	life context.Context // of the line as it is now; ends when it breaks
	end  context.CancelFunc
}

// pingEvery is how often a node asks whether its hub is still there.
const pingEvery = 2 * time.Second

// Dial makes the line. It returns at once, also when the hub is away; an error
// is for what can never work.
func Dial(hub string, node Node, tlsConfig *tls.Config) (*Client, error) {
	c := &Client{node: node, changed: make(chan struct{}, 1)}
	signal := func(*nats.Conn) {
		select {
		case c.changed <- struct{}{}:
		default:
		}
	}
	c.life, c.end = context.WithCancel(context.Background())
	nc, err := nats.Connect("tls://"+hub,
		nats.Name(node.Name), nats.Secure(tlsConfig), nats.CustomInboxPrefix(inboxPrefix+string(node.ID)),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, 500*time.Millisecond),
		nats.IgnoreAuthErrorAbort(), // A node that was refused stays quiet and tries again: it may be admitted.
		nats.ReconnectBufSize(-1),   // What cannot be sent now waits in the spool, on disk.
		nats.ConnectHandler(signal), nats.ReconnectHandler(signal),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { c.broke() }),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
		// A hub whose network is cut says no good-bye: it is left for another after
		// three intervals.
		nats.Timeout(5*time.Second), nats.PingInterval(pingEvery), nats.NoEcho())
	if err != nil {
		return nil, fault.As(fault.Invalid, "bus.dial", err, "the hub's address %q cannot be used", hub)
	}
	c.nc = nc
	return c, nil
}

// broke ends what waits for an answer that nobody gives any more.
func (c *Client) broke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
	c.life, c.end = context.WithCancel(context.Background())
}

func (c *Client) now() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life
}

// Close drops the line.
func (c *Client) Close() { c.nc.Close() }

// Connected tells whether the hub is there now.
func (c *Client) Connected() bool { return c.nc.IsConnected() }

// Changed gets a value when the line came back.
func (c *Client) Changed() <-chan struct{} { return c.changed }

// Publish sends one batch and returns when the hub has it on disk. A batch with
// the id of one sent a short while ago is acknowledged and not kept twice.
func (c *Client) Publish(ctx context.Context, id string, batch []byte) error {
	const op = "bus.publish"
	m := nats.NewMsg(c.node.subject("obs"))
	m.Data = batch
	m.Header.Set(headerMessageID, id)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	defer context.AfterFunc(c.now(), cancel)()
	r, err := c.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return fault.As(fault.Unavailable, op, err, "the hub did not take the batch")
	}
	return refusal(op, r)
}

// refusal is the error that the hub answered, or nil.
func refusal(op string, r *nats.Msg) error {
	e := r.Header.Get(headerError)
	if e == "" {
		return nil
	}
	kind, text, _ := strings.Cut(e, ": ")
	return fault.New(kindOf(kind), op, "%s", text)
}

// Subscribe calls fn for each frame of a feed.
func (c *Client) Subscribe(feed string, fn func(frame []byte)) (cancel func(), err error) {
	s, err := c.nc.Subscribe("feed."+feed, func(m *nats.Msg) { fn(m.Data) })
	if err != nil {
		return nil, fault.Wrap("bus.subscribe", err)
	}
	// The hub must know of the subscription before the first sync is asked,
	// or a frame in between would be lost until the next heartbeat.
	if c.nc.IsConnected() {
		_ = c.nc.FlushTimeout(2 * time.Second)
	}
	return func() { _ = s.Unsubscribe() }, nil
}

// Sync asks the hub to catch up with a feed.
func (c *Client) Sync(ctx context.Context, req []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	r, err := c.nc.RequestWithContext(ctx, c.node.subject("sync"), req)
	if err != nil {
		return nil, fault.As(fault.Unavailable, "bus.sync", err, "the hub did not answer")
	}
	if err := refusal("bus.sync", r); err != nil {
		return nil, err
	}
	return r.Data, nil
}

func kindOf(name string) fault.Kind {
	for k := fault.Internal; k <= fault.TooLarge; k++ {
		if k.String() == name {
			return k
		}
	}
	return fault.Internal
}

// Ack reports what was enforced.
func (c *Client) Ack(_ context.Context, ack []byte) error {
	return c.send("ack", ack)
}

// Status reports how the node is.
func (c *Client) Status(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fault.Wrap("bus.status", err)
	}
	return c.send("status", b)
}

func (c *Client) send(verb string, data []byte) error {
	if err := c.nc.Publish(c.node.subject(verb), data); err != nil {
		return fault.As(fault.Unavailable, "bus."+verb, err, "the hub is away")
	}
	return nil
}
