package vlhttp

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"time"

	"noroshi/eventstore"
	"noroshi/eventstore/logsql"
	"noroshi/fault"
)

// readAnswer reads an answer: a JSON object of strings in each line. After limit
// rows it still reads on to see that the answer is whole.
func readAnswer(r io.Reader, limit int) ([]eventstore.Record, error) {
	const op = "vlhttp.answer"
	var rows []eventstore.Record
	bounded := &io.LimitedReader{R: r, N: eventstore.MaxAnswer}
	lines := bufio.NewReaderSize(bounded, 64<<10)
	for {
		line, err := nextLine(lines)
		switch {
		case bounded.N <= 0:
			return nil, logsql.TooWide()
		case errors.Is(err, io.EOF) && len(line) == 0:
			return rows, nil
		case errors.Is(err, io.EOF):
			return nil, fault.New(fault.Unavailable, op, "the event store's answer breaks off")
		case err != nil:
			return nil, err
		case len(rows) >= limit || len(line) == 1:
			continue
		}
		fields := map[string]string{}
		if err := json.Unmarshal(line, &fields); err != nil {
			return nil, fault.As(fault.Unavailable, op, err, "the event store's answer cannot be read")
		}
		rows = append(rows, record(fields))
	}
}

// nextLine returns a line with its end. It is bounded by the reader's limit.
func nextLine(lines *bufio.Reader) ([]byte, error) {
	line, err := lines.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	long := append([]byte(nil), line...)
	rest, err := lines.ReadBytes('\n')
	return append(long, rest...), err
}

func record(fields map[string]string) eventstore.Record {
	r := eventstore.Record{Fields: fields}
	if t, err := time.Parse(time.RFC3339Nano, fields["_time"]); err == nil {
		r.Time = t
		delete(fields, "_time")
	}
	for _, name := range logsql.Own {
		delete(fields, name)
	}
	return r
}
