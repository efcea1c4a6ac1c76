package infected

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"time"

	"noroshi/fault"
)

const maxLine = 16 << 10

// ReadDarknet feeds a watch with lines of JSON, a packet on each.
func (w *Watch) ReadDarknet(r io.Reader) error {
	return lines(r, func(p *Packet) error {
		if err := check(p.Time, p.Src, p.Dst, p.Port); err != nil {
			return err
		}
		w.Darknet(*p)
		return nil
	})
}

// ReadFlows feeds a watch with lines of JSON, a flow on each.
func (w *Watch) ReadFlows(r io.Reader) error {
	return lines(r, func(f *Flow) error {
		if err := check(f.Time, f.Src, f.Dst, f.Port); err != nil {
			return err
		}
		w.Flow(*f)
		return nil
	})
}

func check(at time.Time, src, dst netip.Addr, port uint16) error {
	if !src.IsValid() || !dst.IsValid() || src.Zone() != "" || dst.Zone() != "" || port == 0 {
		return fault.New(fault.Invalid, "infected.line", "it has no src, dst or port")
	}
	return checkTime(at)
}

// lines reads NDJSON. A line that is none is refused with its number.
func lines[T any](r io.Reader, take func(*T) error) error {
	const op = "infected.read"
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 4<<10), maxLine)
	n := 0
	for s.Scan() {
		n++
		if len(s.Bytes()) == 0 {
			continue
		}
		x := new(T)
		if err := json.Unmarshal(s.Bytes(), x); err != nil {
			return fault.As(fault.Invalid, op, err, "this is no observation: %v", err).At("line %d", n)
		}
		if err := take(x); err != nil {
			return fault.As(fault.Invalid, op, err, "this is no observation: %s", fault.PublicOf(err)).At("line %d", n)
		}
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fault.New(fault.TooLarge, op, "the line is over %d bytes", maxLine).At("line %d", n+1)
	} else if err != nil {
		return fault.As(fault.Unavailable, op, err, "the observations cannot be read: %v", err)
	}
	return nil
}
