//go:build linux

package proc

import "testing"

func TestSocketsAreReadFromTheKernelsText(t *testing.T) {
	s, ok := parseSocket("   0: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 20 4 30 10 -1")
	if !ok || s.local.String() != "127.0.0.1:8080" || s.remote.String() != "127.0.0.2:50000" || s.inode != "4242" || s.uid != 1000 || s.state != established {
		t.Errorf("%+v, %v", s, ok)
	}
	s, ok = parseSocket("   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0 0 0 0 0 7 0")
	if !ok || s.local.String() != "[::1]:80" || s.state != listenState {
		t.Errorf("%+v, %v", s, ok)
	}
}

func FuzzSocket(f *testing.F) {
	f.Add("   0: 0100007F:1F90 0200007F:C350 01 0 0 0 1000 0 4242 1")
	f.Fuzz(func(_ *testing.T, line string) { parseSocket(line) })
}

func FuzzDecode(f *testing.F) {
	f.Add(make([]byte, 100))
	f.Fuzz(func(_ *testing.T, b []byte) { (&Tier{fd: -1}).decode(b) })
}
