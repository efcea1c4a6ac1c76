package feed

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"noroshi/fault"
)

func names(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf("CVE-2026-%d", i))
	}
	return list
}

func TestAFeedThatLosesHalfIsNotBelieved(t *testing.T) {
	for _, c := range []struct {
		name      string
		last, now []string
		lost      float64
		believed  bool
	}{
		{"the first file", nil, names(0, 100), 0, true},
		{"growth", names(0, 100), names(0, 50_000), 0, true},
		{"a little loss", names(0, 100), names(30, 200), 0.3, true},
		{"just half", names(0, 100), names(50, 100), 0.5, true},
		{"more than half", names(0, 100), names(51, 100), 0.51, false},
		{"as many, but others", names(0, 20_000), names(15_000, 35_000), 0.75, false},
		{"a large feed, cut", names(0, 50_000), names(0, 10_000), 0.8, false},
		{"nothing is left", names(0, 50_000), nil, 1, false},
		{"too few to say", names(0, 9), nil, 1, true},
		{"the same twice over", append(names(0, 20), names(0, 20)...), names(0, 20), 0, true},
	} {
		last, now := Summary(c.last), Summary(c.now)
		// The estimate from 1,024 of them is within 5 points.
		if got := Lost(last, now); math.Abs(got-c.lost) > 0.05 || len(c.last) <= sampled && got != c.lost && len(c.now) <= sampled {
			t.Errorf("%s: lost %v", c.name, got)
		}
		if err := Believe(last, now); (err == nil) != c.believed || err != nil && fault.KindOf(err) != fault.Conflict {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestABombIsRefused(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	read := func(r io.Reader, max int64) ([]byte, error) {
		in, err := Unpack(r, max)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(in)
	}
	if _, err := read(bytes.NewReader(packed.Bytes()), 1<<20-1); fault.KindOf(err) != fault.TooLarge {
		t.Error(err)
	}
	if b, err := read(bytes.NewReader(packed.Bytes()), 1<<20); err != nil || len(b) != 1<<20 {
		t.Error(len(b), err)
	}
	if _, err := read(bytes.NewReader(packed.Bytes()[:20]), 1<<20); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	if b, err := read(strings.NewReader("plain"), 5); err != nil || string(b) != "plain" {
		t.Error(string(b), err)
	}
	if err := Stream(t.TempDir()+"/nowhere", 5, nil); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
}
