// Package peers builds and starts the real servers that tests and benchmarks
// need beside PostgreSQL: VictoriaLogs and NATS, in the versions of go.mod. Their
// sources come through the module proxy (binaries/go.mod names them), the Go
// tool builds each once and keeps it in its cache. Only tests and benchmarks
// import it; it is no part of the product.
package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// VictoriaLogs returns the path of the built victoria-logs. It skips where it
// cannot be built, and fails there when CI=true.
func VictoriaLogs(t testing.TB) string {
	t.Helper()
	return built(t, victoriaLogs)
}

// NATSServer returns the path of the built nats-server, with the same manners.
func NATSServer(t testing.TB) string {
	t.Helper()
	return built(t, natsServer)
}

var (
	victoriaLogs = sync.OnceValues(func() (string, error) { return build("victoria-logs") })
	natsServer   = sync.OnceValues(func() (string, error) { return build("nats-server") })
)

func built(t testing.TB, tool func() (string, error)) string {
	t.Helper()
	path, err := tool()
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// build asks the Go tool for an executable, which is built when it is not in the
// cache: the first time takes a minute or two.
func build(name string) (string, error) {
	folder, err := Folder()
	if err != nil {
		return "", err
	}
	c := exec.Command("go", "tool", "-n", name)
	c.Dir = folder
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "PWD="+folder)
	out, err := run(c)
	if err != nil {
		return "", fmt.Errorf("%s cannot be built: %w", name, err)
	}
	return out, nil
}

// Folder is where the go.mod of the peers is.
func Folder() (string, error) {
	mod, err := run(exec.Command("go", "env", "GOMOD"))
	if err != nil || filepath.Base(mod) != "go.mod" {
		return "", fmt.Errorf("the project's go.mod is not above the working folder: %q, %w", mod, err)
	}
	return filepath.Join(filepath.Dir(mod), "internal", "peers", "binaries"), nil
}

// run returns what a command says, or what it complains about.
func run(c *exec.Cmd) (string, error) {
	var complaint strings.Builder
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, complaint.String())
	}
	return strings.TrimSpace(string(out)), nil
}
