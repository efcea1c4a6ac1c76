package bus_test

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"

	"noroshi/bus"
)

// FuzzDecodeBatch opens batches whose lines are anything, rightly compressed: each
// line comes back once, as an event or with the reason why it is none.
func FuzzDecodeBatch(f *testing.F) {
	f.Add([]byte("{}\n\n{\"class_uid\":4003}\nnoise\n"))
	f.Add(bytes.Repeat([]byte("\n"), 600))
	f.Add(bytes.Repeat([]byte("x\n"), bus.MaxBatchEvents+1))
	w, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, lines []byte) {
		want := 0
		for _, l := range bytes.Split(lines, []byte{'\n'}) {
			want += min(len(l), 1)
		}
		good, bad, err := bus.DecodeBatch(w.EncodeAll(lines, nil))
		switch {
		case err != nil && want <= bus.MaxBatchEvents && len(lines) < bus.MaxBatchBytes:
			t.Errorf("%d lines cannot be opened: %v", want, err)
		case err == nil && len(good)+len(bad) != want:
			t.Errorf("of %d lines %d are events and %d are not", want, len(good), len(bad))
		}
		for _, e := range good {
			if err := e.Validate(); err != nil {
				t.Errorf("an event that is none: %v", err)
			}
		}
		for _, b := range bad {
			if b.Err == nil || b.Line < 1 {
				t.Errorf("a line is refused without a reason: %+v", b)
			}
		}
	})
}
