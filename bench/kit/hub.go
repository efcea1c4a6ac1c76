package kit

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/org"
)

// Hub is a hub that runs as a process of its own, in a folder of its own: its
// data, its configuration and its log.
type Hub struct {
	Process
	API operator.Client
}

// StartHub starts a hub on free loopback ports, with the configuration's hub
// section given as YAML lines (indented by two spaces), and waits until it
// answers. A folder that was used before is taken up again.
func StartHub(ctx context.Context, dir, hubYAML string) (*Hub, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	config := "data_dir: " + filepath.Join(dir, "data") + "\nlog: {level: warn}\nhub:\n"
	for _, k := range []string{"console", "enrol", "bus"} {
		if !strings.Contains(hubYAML, "  "+k+":") {
			config += "  " + k + ": 127.0.0.1:0\n"
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "noroshi.yaml"), []byte(config+hubYAML), 0o600); err != nil {
		return nil, err
	}
	bin, err := Binary()
	if err != nil {
		return nil, err
	}
	h := &Hub{Process{Dir: dir, path: bin, args: []string{"hub", "--config", filepath.Join(dir, "noroshi.yaml")}}, operator.Dial(app.Socket(filepath.Join(dir, "data")))}
	return h, h.Start(ctx)
}

// Start starts the process again after Kill or Stop, and waits until it answers.
func (h *Hub) Start(ctx context.Context) error {
	if err := h.start(); err != nil {
		return err
	}
	return h.await(ctx, func(ctx context.Context) bool { _, err := h.Organisations(ctx); return err == nil })
}

// Organisations lists the hub's organisations.
func (h *Hub) Organisations(ctx context.Context) ([]org.Organisation, error) {
	var all api.Items[org.Organisation]
	err := h.API.Get(ctx, "/api/v1/organisations", &all)
	return all.Items, err
}

// Token makes a one-time token for a node.
func (h *Hub) Token(ctx context.Context, o ident.ID, role string) (string, error) {
	var e api.Enrolment
	if err := h.API.Post(ctx, "/api/v1/enrol", map[string]any{"org": o, "role": role}, &e); err != nil {
		return "", err
	}
	_, token, ok := strings.Cut(e.Command, "--join ")
	if !ok {
		return "", fault.New(fault.Internal, "kit.token", "the enrolment command %q names no token", e.Command)
	}
	return strings.TrimSpace(token), nil
}
