package vlhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"noroshi/fault"
)

func TestAnswersThatAreNone(t *testing.T) {
	const good = `{"_time":"2026-11-25T00:00:00Z","a":"b","_stream":"{org=\"1\"}"}` + "\n"
	if rows, err := readAnswer(strings.NewReader(""), 1); err != nil || len(rows) > 0 {
		t.Errorf("an empty answer is %v, %v", rows, err)
	}
	for text, want := range map[string]fault.Kind{
		good[:30]: fault.Unavailable, good + "\nthe query took too long &amp; was stopped\n": fault.Unavailable, good + good[:len(good)-1]: fault.Unavailable,
		`{"a":1}` + "\n": fault.Unavailable, "[]\n": fault.Unavailable, `{"a":{"b":"c"}}` + "\n": fault.Unavailable, "null null\n": fault.Unavailable,
	} {
		if rows, err := readAnswer(strings.NewReader(text), 10); err == nil || fault.KindOf(err) != want {
			t.Errorf("%q gave %v, %v", text, rows, err)
		}
	}
	rows, err := readAnswer(strings.NewReader(strings.Repeat(good, 5)), 3)
	if err != nil || len(rows) != 3 || fmt.Sprint(rows[2].Fields) != "map[a:b]" || rows[2].Time.IsZero() {
		t.Errorf("five rows of which three are wanted gave %v, %v", rows, err)
	}
	// A line may be longer than any buffer, but not than an answer.
	long := `{"a":"` + strings.Repeat("x", 200<<10) + "\"}\n"
	if rows, err := readAnswer(strings.NewReader(long), 10); err != nil || len(rows[0].Fields["a"]) != 200<<10 {
		t.Errorf("a long line: %d rows, %v", len(rows), err)
	}
	if _, err := readAnswer(endless{}, 10); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("an answer without end: %v", err)
	}
	broken := io.MultiReader(strings.NewReader(good), failing{})
	if _, err := readAnswer(broken, 10); err == nil {
		t.Error("a connection that broke passed for an answer")
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// FuzzAnswer reads whatever a server might answer. What is read is at most what
// was asked for, holds no column of the engine's own, and is only read of whole
// lines of JSON.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"_time":"2026-11-25T00:00:00.123Z","_msg":"a","_stream_id":"0"}` + "\n" + `{"n":"5"}` + "\n"))
	f.Add([]byte("{}\n\n{\"a\":\"\\u0000\xff\"}\n"))
	f.Add([]byte(`{"a":"b"`))
	f.Add([]byte("\nremoteAddr: x; cannot execute query\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		const limit = 3
		rows, err := readAnswer(bytes.NewReader(text), limit)
		if err != nil {
			if k := fault.KindOf(err); rows != nil || k != fault.Unavailable && k != fault.TooLarge {
				t.Errorf("%q: %v, %v", text, rows, err)
			}
			return
		}
		var whole [][]byte
		for line := range bytes.Lines(text) {
			if !bytes.HasSuffix(line, []byte("\n")) {
				t.Fatalf("%q breaks off and was taken", text)
			}
			if len(line) > 1 {
				whole = append(whole, line)
			}
		}
		if len(rows) != min(limit, len(whole)) {
			t.Fatalf("%q: %d rows of %d lines", text, len(rows), len(whole))
		}
		for i, r := range rows {
			if !json.Valid(whole[i]) || slices.ContainsFunc([]string{"_stream", "_stream_id"}, func(k string) bool { _, ok := r.Fields[k]; return ok }) {
				t.Errorf("%q gave %v", whole[i], r)
			}
		}
	})
}

// FuzzMetrics reads whatever a server might say of itself.
func FuzzMetrics(f *testing.F) {
	f.Add([]byte("vl_storage_rows{type=\"storage/inmemory\"} 12\nvl_pending_rows{type=\"storage\"} 3\nvl_storage_is_read_only{path=\"/x y\"} 1\nvl_data_size_bytes{type=\"indexdb\"} 5e3\n"))
	f.Add([]byte("flag{name=\"retentionPeriod\", value=\"1y\", is_set=\"true\"} 1\nflag{name=\"insert.maxFieldsPerLine\",value=\"-5\"} 1\n"))
	f.Add([]byte("vl_storage_rows{type=\"storage/inmemory\"} NaN\nvl_data_size_bytes{type=\"x\"} -1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if m := readMetrics(text); m.maxFields <= 0 || m.retention < 0 || m.inMemory > 0 && !m.stores && !bytes.Contains(text, []byte("vl_pending_rows")) {
			t.Errorf("%q: %+v", text, m)
		}
	})
}

const month = 30 * 24 * time.Hour

func TestMetrics(t *testing.T) {
	m := readMetrics([]byte("# HELP x\nvl_storage_rows{type=\"storage/inmemory\"} 12\nvl_storage_rows{type=\"storage/big\"} 9\nvl_pending_rows{type=\"storage\"} 3\n" +
		"flag{name=\"retentionPeriod\", value=\"30d\", is_set=\"true\"} 1\nflag{name=\"maxBackfillAge\", value=\"0\", is_set=\"false\"} 1\n" +
		"flag{name=\"futureRetention\", value=\"2d\", is_set=\"false\"} 1\nflag{name=\"insert.maxFieldsPerLine\", value=\"500\", is_set=\"false\"} 1\n" +
		"vl_storage_is_read_only{path=\"/a\"} 1\nvl_data_size_bytes{type=\"indexdb\"} 5\nvl_data_size_bytes{type=\"storage\"} 7\n"))
	if m != (metrics{stores: true, readOnly: true, inMemory: 15, bytes: 12, retention: month, future: 48 * time.Hour, maxFields: 500}) {
		t.Errorf("%+v", m)
	}
}

// TestADayIsNamedOnce lists the days of rows as the server names them.
func TestADayIsNamedOnce(t *testing.T) {
	const day = 24 * 60 * 60 * 1000
	if got := days([]stored{{from: 3 * day, to: 5*day - 1}, {from: 4 * day, to: 4 * day}}); fmt.Sprint(got) != "[19700104 19700105]" {
		t.Errorf("the days are %v", got)
	}
	if got := days([]stored{{from: 0, to: 1000 * day}}); fmt.Sprint(got) != "[]" || len(got) != 1 {
		t.Errorf("of a thousand days it names %q", got)
	}
}
