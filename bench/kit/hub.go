package kit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"noroshi/api"
	"noroshi/api/operator"
	"noroshi/app"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/org"
)

// Hub is a hub that runs as a process of its own, in a folder of its own.
type Hub struct {
	Dir string // its data folder, and its configuration and log beside it
	API operator.Client
	cmd *exec.Cmd
	end chan error
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
	h := &Hub{Dir: dir, API: operator.Dial(app.Socket(filepath.Join(dir, "data")))}
	return h, h.Start(ctx)
}

// Start starts the process again after Kill or Stop.
func (h *Hub) Start(ctx context.Context) error {
	bin, err := Binary()
	if err != nil {
		return err
	}
	h.cmd = exec.Command(bin, "hub", "--config", filepath.Join(h.Dir, "noroshi.yaml"))
	if err := quietly(h.cmd, filepath.Join(h.Dir, "log")); err != nil {
		return err
	}
	h.end = make(chan error, 1)
	go func(c *exec.Cmd, end chan error) { end <- c.Wait() }(h.cmd, h.end)
	return h.ready(ctx)
}

func (h *Hub) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := h.Organisations(ctx); err == nil {
			return nil
		}
		select {
		case err := <-h.end:
			said, _ := os.ReadFile(filepath.Join(h.Dir, "log"))
			return fmt.Errorf("the hub ended: %w\n%s", err, said)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), h.Kill())
		case <-tick.C:
		}
	}
}

// PID is the process.
func (h *Hub) PID() int { return h.cmd.Process.Pid }

// Kill ends the process as a crash would.
func (h *Hub) Kill() error { return h.signal(syscall.SIGKILL) }

// Stop ends the process as an operator would.
func (h *Hub) Stop() error { return h.signal(syscall.SIGTERM) }

func (h *Hub) signal(s syscall.Signal) error {
	if err := h.cmd.Process.Signal(s); err != nil {
		return err
	}
	err := <-h.end
	var ended *exec.ExitError
	if s == syscall.SIGKILL && errors.As(err, &ended) {
		return nil
	}
	return err
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
