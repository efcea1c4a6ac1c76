package scan

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"noroshi/bom"
)

// A machine is what is installed on it and the kernel that runs, not what
// somebody builds there, nor the systems in its containers.
func TestMachine(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"etc/os-release":      "ID=debian\nVERSION_ID=12\n",
		"var/lib/dpkg/status": "Package: linux-image-6.1.0-18-amd64\nStatus: install ok installed\nVersion: 6.1.76-1\nArchitecture: amd64\nSource: linux-signed-amd64 (6.1.76+1)\n\n",
		"usr/lib/python3/dist-packages/a-1.dist-info/METADATA": "Name: a\nVersion: 1\n",
		"home/x/go.mod":           "module no.test/n\nrequire no.test/m v1.0.0\n",
		"home/x/requirements.txt": "no==1\n",
		"var/lib/docker/overlay2/x/usr/lib/python3/dist-packages/no-1.dist-info/METADATA": "Name: no\nVersion: 1\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	names := func(kernel string) (list []string, r Result) {
		r, err := host(dir, "db1", kernel)
		if err != nil || r.System.Name != "db1" {
			t.Fatal(r.System.Name, err)
		}
		for _, c := range r.System.Components {
			list = append(list, c.Label())
		}
		slices.Sort(list)
		return list, r
	}
	list, r := names("6.1.0-18-amd64")
	if want := []string{"a 1", "debian/linux-image-6.1.0-18-amd64 6.1.76-1", "linux 6.1.0-18-amd64"}; !slices.Equal(list, want) || len(r.Notes) > 0 {
		t.Errorf("%q, %q", list, r.Notes)
	}
	kernel := slices.IndexFunc(r.System.Components, func(c bom.Component) bool { return c.PURL.Type == "generic" })
	of := slices.IndexFunc(r.System.Components, func(c bom.Component) bool { return c.PURL.Type == "deb" })
	if !slices.Contains(r.System.Edges, bom.Edge{From: bom.Root, To: kernel}) || !slices.Contains(r.System.Edges, bom.Edge{From: kernel, To: of}) {
		t.Errorf("the kernel that runs is not what the machine needs: %v", r.System.Edges)
	}
	if _, r = names("6.1.0-13-amd64"); len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "6.1.0-13-amd64, is of no package") {
		t.Error("a kernel of no package is not told: ", r.Notes)
	}
}
