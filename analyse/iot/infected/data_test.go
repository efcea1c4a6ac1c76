package infected

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// data opens a file of the public sets.
func data(t *testing.T, parts ...string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join(append([]string{"..", "..", "..", "..", "shared", "data", "flow"}, parts...)...))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("the public data sets are not here: ", err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func unzip(t *testing.T, f io.Reader) io.Reader {
	t.Helper()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestEmulatedISP counts who is found in a day of a provider, one packet in ten
// seen, whose truth is known. The set's oracle of answers is not looked at.
func TestEmulatedISP(t *testing.T) {
	var truth struct{ Bots map[string]int }
	if err := json.NewDecoder(data(t, "emulated-isp", "truth_seed1.json")).Decode(&truth); err != nil {
		t.Fatal(err)
	}
	rows := csv.NewReader(unzip(t, data(t, "emulated-isp", "flows_1in10_seed1.csv.gz")))
	rows.ReuseRecord = true
	w := New(Config{})
	scans := map[string]bool{} // bots that sent anything at all to a port of devices
	sources := map[string]bool{}
	for n := 0; ; n++ {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			continue
		}
		at, err1 := strconv.ParseFloat(row[0], 64)
		src, err2 := strconv.ParseUint(row[1], 10, 32)
		dst, err3 := strconv.ParseUint(row[2], 10, 32)
		port, err4 := strconv.ParseUint(row[3], 10, 16)
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
			t.Fatalf("line %d: %v", n+1, row)
		}
		sources[strings.Clone(row[1])] = true
		if _, bot := truth.Bots[row[1]]; bot && port == 23 {
			scans[strings.Clone(row[1])] = true
		}
		w.Flow(Flow{Time: day.Truncate(24 * time.Hour).Add(time.Duration(at * float64(time.Second))), Src: addr(uint32(src)), Dst: addr(uint32(dst)), Port: uint16(port), Transport: "tcp"})
	}
	right, wrong := 0, 0
	for _, v := range w.Verdicts(true) {
		if _, ok := truth.Bots[strconv.FormatUint(uint64(number(v.Address)), 10)]; ok {
			right++
		} else {
			wrong++
		}
	}
	t.Logf("%d sources, %d bots of which %d scan; found %d rightly, %d wrongly", len(sources), len(truth.Bots), len(scans), right, wrong)
	if wrong > 0 || right < len(scans) {
		t.Errorf("found %d of the %d that scan, and %d others", right, len(scans), wrong)
	}
}

// TestIoT23 reads a sample of labelled captures: the device that scans is found,
// the one that only attacks and takes commands is not, for it looks for nobody.
func TestIoT23(t *testing.T) {
	s := bufio.NewScanner(unzip(t, data(t, "iot23-sample", "conn.log.calibration_60_40.gz")))
	w := New(Config{})
	for n := 0; s.Scan(); n++ {
		f := strings.Split(s.Text(), "\t")
		if n == 0 {
			continue
		}
		at, err1 := strconv.ParseFloat(f[0], 64)
		src, err2 := netip.ParseAddr(f[2])
		dst, err3 := netip.ParseAddr(f[4])
		port, err4 := strconv.ParseUint(f[5], 10, 16)
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
			t.Fatalf("line %d: %v", n+1, f)
		}
		w.Flow(Flow{Time: time.UnixMicro(int64(at * 1e6)), Src: src, Dst: dst, Port: uint16(port), Transport: f[6], Answered: f[11] != "S0" && f[11] != "REJ"})
	}
	got := w.Verdicts(true)
	if len(got) != 1 || got[0].Address != netip.MustParseAddr("192.168.1.196") || got[0].Flows < 500 {
		t.Errorf("%+v", got)
	}
}

// TestCTU13 reads two hours of a university, with computers in a botnet that
// looks for no devices: nobody is accused.
func TestCTU13(t *testing.T) {
	c := exec.Command("xz", "-dc", data(t, "ctu13-s11", "capture20110818-2.binetflow.xz").Name())
	out, err := c.Output()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("xz is not installed: ", err)
	}
	w := New(Config{})
	n := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Split(line, ",")
		at, err1 := time.Parse("2006/01/02 15:04:05", f[0])
		src, err2 := netip.ParseAddr(f[3])
		dst, err3 := netip.ParseAddr(f[6])
		port, err4 := strconv.ParseUint(f[7], 10, 16)
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
			continue // ARP, ICMP, the heading
		}
		n++
		w.Flow(Flow{Time: at, Src: src, Dst: dst, Port: uint16(port), Transport: f[2], Answered: strings.Contains(f[8], "SA")})
	}
	if got := w.Verdicts(true); len(got) != 0 || n < 50_000 {
		t.Errorf("of %d flows: %+v", n, got)
	}
}
