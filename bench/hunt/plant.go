package main

import (
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"noroshi/event"
	"noroshi/ident"
	"noroshi/indicator"
	"noroshi/observable"
)

// feed is a list of indicators of all kinds as a feed brings them: mostly names.
// The first of them are planted into the events.
func feed(n int) []indicator.Indicator {
	out := make([]indicator.Indicator, n)
	for i := range out {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		var text string
		switch i % 10 {
		case 1, 5:
			text = fmt.Sprintf("203.0.%d.%d", i/200, 1+i%200)
		case 2:
			text = fmt.Sprintf("198.51.%d.0/24", i/10)
		case 3:
			text = fmt.Sprintf("https://files-%d.example.com/get/%x.bin?id=%d", i, sum[:4], i)
		case 4:
			text = hex.EncodeToString(sum[:])
		case 6:
			m := md5.Sum(sum[:])
			text = hex.EncodeToString(m[:])
		case 7:
			text = fmt.Sprintf("2001:db8:%x::%x", i, 1+i)
		default:
			text = fmt.Sprintf("c2-%d.evil-%x.com", i, sum[:3])
		}
		o, err := observable.Parse(text)
		if err != nil {
			panic(err) // The list is the program's own.
		}
		out[i] = indicator.Indicator{ID: ident.ID(fmt.Sprintf("ind_%06d", i)), Observable: o, State: indicator.Active}
	}
	return out
}

// sighting is a planted event: which of them all, where, and what it shows.
type sighting struct {
	n, org, host int
	observable.Observable
}

// An attack is on one host each of a few organisations, and lasts half a day.
const (
	victims   = 3
	sightings = 12 // on each host
)

func campaigns(rnd *rand.Rand, attacks []observable.Observable, events int) []sighting {
	var out []sighting
	for _, o := range attacks {
		lasts := events / days / 2
		first := rnd.IntN(events - lasts)
		for range victims {
			x := sighting{org: rnd.IntN(organisations), host: rnd.IntN(hosts), Observable: o}
			for range sightings {
				x.n = first + rnd.IntN(lasts)
				out = append(out, x)
			}
		}
	}
	slices.SortFunc(out, func(x, y sighting) int { return cmp.Compare(x.n, y.n) })
	return out
}

// plant makes an event show an observable, where its class can.
func (c *country) plant(e *event.Event, o observable.Observable) {
	text := o.Value
	switch o.Kind {
	case observable.CIDR:
		p := netip.MustParsePrefix(text)
		b := p.Addr().As4()
		b[3] = byte(c.rnd.IntN(256))
		text = netip.AddrFrom4(b).String()
	case observable.Domain:
		text = "www." + text
	}
	host := o.Kind == observable.Domain
	switch {
	case e.Process != nil && e.Process.File != nil && (o.Kind == observable.SHA256 || o.Kind == observable.MD5):
		e.Process.File.Hashes = []event.Fingerprint{{AlgorithmID: map[observable.Kind]int{observable.MD5: 1, observable.SHA256: 3}[o.Kind], Value: text}}
	case e.Process != nil:
		e.Process.CmdLine = "curl -s -o /tmp/x " + text
	case e.Query != nil && host:
		e.Query.Hostname = text
	case e.Query != nil:
		e.Answers[0].RData = text
	case host:
		e.DstEndpoint.Hostname = text
	default:
		e.DstEndpoint.IP = text
	}
}

// shows tells whether events of a class can show a kind of observable.
func shows(e *event.Event, k observable.Kind) bool {
	switch k {
	case observable.URL, observable.SHA256, observable.MD5:
		return e.ClassUID == event.ProcessActivity
	}
	return true
}
