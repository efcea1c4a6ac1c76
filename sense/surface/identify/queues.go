package identify

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"

	"noroshi/service"
)

// amqp says that it would speak AMQP 0-9-1; the server answers with its
// properties, before anybody says who he is.
func (a *asking) amqp() bool {
	b := a.exchange([]byte("AMQP\x00\x00\x09\x01"), func(b []byte) bool {
		return len(b) >= 7 && len(b)-8 >= int(binary.BigEndian.Uint32(b[3:])) || len(b) >= 8 && string(b[:4]) == "AMQP"
	})
	p, ok := decodeStart(b)
	if !ok {
		return false
	}
	a.claim("amqp", p["product"], p["version"])
	a.tell("amqp.product", p["product"])
	a.tell("amqp.version", p["version"])
	a.tell("amqp.platform", p["platform"])
	return true
}

// decodeStart reads connection.start: its properties that are texts.
func decodeStart(b []byte) (map[string]string, bool) {
	// A frame of methods, of channel 0, with class 10 and method 10.
	if len(b) < 17 || b[0] != 1 || string(b[7:11]) != "\x00\x0a\x00\x0a" {
		return nil, false
	}
	b = b[13:] // behind the versions
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, false
	}
	all := map[string]string{}
	for b = b[4 : 4+n]; len(b) > 0 && len(all) < 64; {
		size := int(b[0])
		if len(b) < 1+size+1 {
			break
		}
		name, kind := string(b[1:1+size]), b[1+size]
		b = b[2+size:]
		switch kind {
		case 't':
			b = b[min(1, len(b)):]
		case 'S', 'F':
			if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-4) {
				return all, true
			}
			n := binary.BigEndian.Uint32(b)
			if kind == 'S' {
				all[service.Text(name)] = service.Text(string(b[4 : 4+n]))
			}
			b = b[4+n:]
		default:
			return all, true
		}
	}
	return all, true
}

// nats reads the first line of a NATS server, which is JSON.
func (a *asking) nats(text string) {
	var info struct {
		Version string `json:"version"`
		Auth    bool   `json:"auth_required"`
	}
	a.s.Service = "nats"
	if json.Unmarshal([]byte(text), &info) == nil {
		a.claim("nats", "NATS Server", info.Version)
		a.tell("nats.version", info.Version)
		a.tell("nats.auth_required", strconv.FormatBool(info.Auth))
	}
}

// gps reads the first line of gpsd, which is JSON.
func (a *asking) gps(text string) {
	var version struct {
		Release string `json:"release"`
	}
	a.s.Service = "gpsd"
	if json.Unmarshal([]byte(text), &version) == nil {
		a.claim("gpsd", "gpsd", version.Release)
		a.tell("gpsd.release", version.Release)
	}
}

// munin asks a node for its version, which its greeting does not say.
func (a *asking) munin(c net.Conn) {
	a.claim("munin", "Munin", "")
	said := string(converse(c, []byte("version\n"), line, perAnswer))
	if _, version, ok := strings.Cut(said, "version: "); ok {
		a.claim("munin", "Munin", version)
		a.tell("munin.version", version)
	}
}

func (a *asking) beanstalk() bool {
	text := string(a.exchange([]byte("stats\r\n"), func(b []byte) bool {
		return strings.HasSuffix(string(b), "\r\n") && (!strings.HasPrefix(string(b), "OK ") || strings.Count(string(b), "\r\n") > 1)
	}))
	if !strings.HasPrefix(text, "OK ") || !strings.Contains(text, "current-jobs-ready:") {
		return false
	}
	version := strings.Trim(field(text, "\nversion: "), `"`)
	a.claim("beanstalk", "beanstalkd", version)
	a.tell("beanstalk.version", version)
	return true
}

func (a *asking) gearman() bool {
	text := string(a.exchange([]byte("version\n"), line))
	if !strings.HasPrefix(text, "OK ") {
		return false
	}
	a.claim("gearman", "Gearman", field(text, "OK "))
	a.tell("gearman.version", field(text, "OK "))
	return true
}

// clamd asks a virus scanner for its version, which it says with that of its
// signatures: ClamAV 1.4.6/27812/Tue Nov 24 09:00:00 2026.
func (a *asking) clamd() bool {
	text := string(a.exchange([]byte("zVERSION\x00"), func(b []byte) bool { return len(b) > 0 && (b[len(b)-1] == 0 || line(b)) }))
	said, ok := strings.CutPrefix(text, "ClamAV ")
	if !ok {
		return false
	}
	version, _, _ := strings.Cut(said, "/")
	a.claim("clamd", "ClamAV", strings.Trim(version, "\x00\n"))
	a.tell("clamd.version", said)
	return true
}

// zookeeper asks for the short word that a server answers to everybody.
func (a *asking) zookeeper() bool {
	version, ok := strings.CutPrefix(string(a.exchange([]byte("srvr"), line)), "Zookeeper version: ")
	if !ok {
		return false
	}
	a.tell("zookeeper.version", version)
	version, _, _ = strings.Cut(version, "-")
	a.claim("zookeeper", "ZooKeeper", version)
	return true
}

// nut asks a server of uninterruptible power supplies for its version.
func (a *asking) nut() bool {
	text := string(a.exchange([]byte("VER\n"), line))
	said, ok := strings.CutPrefix(text, "Network UPS Tools upsd ")
	if !ok {
		return false
	}
	version, _, _ := strings.Cut(said, " ")
	a.claim("nut", "Network UPS Tools", version)
	a.tell("nut.version", said)
	return true
}

// mumble pings a voice server, which answers with its version.
func (a *asking) mumble() bool {
	q := binary.BigEndian.AppendUint64(make([]byte, 4, 12), rand.Uint64())
	b := a.datagram(q, func(b []byte) bool { return len(b) >= 12 && string(b[4:12]) == string(q[4:]) })
	if b == nil {
		return false
	}
	a.claim("mumble", "Mumble", strconv.Itoa(int(b[1]))+"."+strconv.Itoa(int(b[2]))+"."+strconv.Itoa(int(b[3])))
	a.tell("mumble.version", a.s.Version)
	return true
}
