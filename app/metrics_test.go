package app

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"gopkg.in/yaml.v3"

	"noroshi/api/operator"
)

func fetch(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

var typeLine = regexp.MustCompile(`(?m)^# TYPE (noroshi_\S+) (\S+)$`)

// served are the metrics at addr with their kinds.
func served(t *testing.T, addr string) map[string]string {
	t.Helper()
	code, body := fetch(t, addr, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("metrics: %d %s", code, body)
	}
	problems, err := promlint.New(bytes.NewBufferString(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "noroshi_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	out := map[string]string{}
	for _, m := range typeLine.FindAllStringSubmatch(body, -1) {
		out[m[1]] = m[2]
	}
	return out
}

var docLine = regexp.MustCompile("(?m)^\\| `(noroshi_[a-z0-9_]+)` \\| (counter|gauge|histogram) \\|")

func documented(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range docLine.FindAllStringSubmatch(string(b), -1) {
		if out[m[1]] != "" {
			t.Errorf("%s is documented twice", m[1])
		}
		out[m[1]] = m[2]
	}
	return out
}

// TestMetricsAreWhatTheirPageSays compares docs/metrics.md with what a running
// hub, resolver and sensor serve, and these with Prometheus' conventions.
func TestMetricsAreWhatTheirPageSays(t *testing.T) {
	cfg := testConfig(t.TempDir())
	h := startHub(t, cfg)
	admin := operator.Dial(Socket(cfg.DataDir))
	all := map[string]string{}
	for _, role := range []string{RoleResolver, RoleSensor} {
		cfg := testConfig(t.TempDir())
		cfg.Sensor.Tier = "proc"
		n, err := StartNode(t.Context(), cfg, role, tokenFor(t, h, role), role, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Stop() })
		maps.Copy(all, served(t, n.Metrics()))
		until(t, "the "+role+" is ready", func() bool { code, _ := fetch(t, n.Metrics(), "/readyz"); return code == http.StatusOK })
	}
	until(t, "the nodes reported", func() bool { return served(t, h.Metrics())["noroshi_organisation_events_total"] != "" })
	block(t, admin, "metrics.test") // Revoked at once, it might never be pushed.
	until(t, "both hops of sharing were timed", func() bool {
		_, body := fetch(t, h.Metrics(), "/metrics")
		return regexp.MustCompile(`noroshi_push_seconds_count [1-9]`).MatchString(body) && regexp.MustCompile(`noroshi_acknowledge_seconds_count [1-9]`).MatchString(body)
	})
	hub := served(t, h.Metrics())
	maps.Copy(all, hub)
	want := documented(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if want[name] != all[name] {
			t.Errorf("docs/metrics.md says of the %s %s: %q", all[name], name, want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if all[name] == "" {
			t.Errorf("docs/metrics.md has %s, which nobody serves", name)
		}
	}
	for path, ok := range map[string]bool{"/healthz": true, "/readyz": true, "/": false, "/debug/pprof/": false} {
		if code, body := fetch(t, h.Metrics(), path); (code == http.StatusOK) != ok {
			t.Errorf("%s answers %d %s", path, code, body)
		}
	}
}

// TestMetricsNameNoNodes: the number of series must not grow with that of nodes,
// nor may a name or a value of an organisation be in them.
func TestMetricsNameNoNodes(t *testing.T) {
	h := startHub(t, testConfig(t.TempDir()))
	emit(t, eye(t, h), 10)
	_, body := fetch(t, h.Metrics(), "/metrics")
	for _, secret := range []string{"nod_", "ministry", "Ministry", "brake.test"} {
		if strings.Contains(body, secret) {
			t.Errorf("the metrics say %q", secret)
		}
	}
}

// TestAlertRulesAskForWhatIsServed parses the example rules, by Prometheus' own
// tool where it is installed.
func TestAlertRulesAskForWhatIsServed(t *testing.T) {
	const path = "../deploy/prometheus/rules.yml"
	if tool, err := exec.LookPath("promtool"); err == nil {
		if out, err := exec.Command(tool, "check", "rules", path).CombinedOutput(); err != nil {
			t.Errorf("promtool: %s", out)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(b, &rules); err != nil {
		t.Fatal(err)
	}
	known, n := documented(t), 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			n++
			if r.Annotations["summary"] == "" {
				t.Errorf("%s says nothing", r.Alert)
			}
			for _, m := range regexp.MustCompile(`noroshi_[a-z0-9_]+`).FindAllString(r.Expr, -1) {
				if _, ok := known[strings.TrimSuffix(m, "_bucket")]; !ok {
					t.Errorf("%s asks for %s, which nobody serves", r.Alert, m)
				}
			}
			if depth := strings.Count(r.Expr, "(") - strings.Count(r.Expr, ")"); depth != 0 {
				t.Errorf("%s: the parentheses do not match", r.Alert)
			}
		}
	}
	if n < 5 {
		t.Error(fmt.Sprint("only ", n, " rules were read"))
	}
}
