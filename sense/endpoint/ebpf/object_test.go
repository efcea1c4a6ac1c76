//go:build linux

package ebpf

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
)

// TestObjectIsBuiltFromItsSource builds the object again and compares the
// programs, instruction by instruction.
func TestObjectIsBuiltFromItsSource(t *testing.T) {
	clang, err := exec.LookPath("clang")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("clang is not installed")
	}
	out := filepath.Join(t.TempDir(), "sensor.o")
	triple := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	c := exec.Command(clang, "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-I/usr/include/"+triple+"-linux-gnu", "-Wall", "-Werror", "-c", "sensor.bpf.c", "-o", out)
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	kept, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	built, err := ebpf.LoadCollectionSpec(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(kept.Programs) != len(built.Programs) || len(kept.Programs) < 9 {
		t.Fatalf("%d programs are kept, %d are built", len(kept.Programs), len(built.Programs))
	}
	for name, p := range built.Programs {
		k, ok := kept.Programs[name]
		if !ok || len(k.Instructions) != len(p.Instructions) {
			t.Errorf("%s differs from its source; run make bpf", name)
			continue
		}
		for i := range p.Instructions {
			a, b := p.Instructions[i], k.Instructions[i]
			if a.OpCode != b.OpCode || a.Dst != b.Dst || a.Src != b.Src || a.Constant != b.Constant || a.Offset != b.Offset {
				t.Errorf("%s differs from its source at instruction %d; run make bpf", name, i)
				break
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(append([]byte{1}, make([]byte, 400)...))
	f.Add(append([]byte{5}, make([]byte, 100)...))
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, b []byte) { decode(b) })
}
