package identify

import (
	"bytes"
	"fmt"
	"strings"

	"noroshi/service"
)

// redis asks for what the server says of itself; one that wants a password first
// says so, and is left in peace.
func (a *asking) redis() bool {
	b := a.exchange([]byte("*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n"), func(b []byte) bool {
		return line(b) && (b[0] != '$' || bytes.HasSuffix(b, []byte("\r\n\r\n")) || bytes.Contains(b, []byte("\nhz:")))
	})
	text := string(b)
	switch {
	case strings.HasPrefix(text, "$") && strings.Contains(text, "redis_version:"):
		a.tell("redis.info", field(text, "redis_version:"))
		a.claim("redis", "Redis", field(text, "redis_version:"))
	case strings.HasPrefix(text, "-NOAUTH"), strings.HasPrefix(text, "-DENIED Redis"):
		a.tell("redis.error", text)
		a.claim("redis", "Redis", "")
	default:
		return false
	}
	return true
}

// field is the rest of the line behind a name.
func field(text, name string) string {
	_, rest, _ := strings.Cut(text, name)
	rest, _, _ = strings.Cut(rest, "\n")
	return service.Text(rest)
}

func (a *asking) memcached() bool {
	text := string(a.exchange([]byte("version\r\n"), line))
	if !strings.HasPrefix(text, "VERSION ") {
		return false
	}
	a.tell("memcached.version", field(text, "VERSION "))
	a.claim("memcached", "memcached", field(text, "VERSION "))
	return true
}

// postgres asks whether the server would talk over TLS, which needs no user.
func (a *asking) postgres() bool {
	const question = "\x00\x00\x00\x08\x04\xd2\x16\x2f"
	b := a.exchange([]byte(question), some)
	if len(b) != 1 || b[0] != 'S' && b[0] != 'N' {
		return false
	}
	a.claim("postgresql", "PostgreSQL", "")
	a.tell("postgresql.ssl", string(b))
	a.startTLS(b, "S", step{question, some, "S"})
	return true
}

// mqtt connects without a name and, when let in, asks for the topic in which
// brokers say their version.
func (a *asking) mqtt() bool {
	c, err := a.connect()
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }() // What it said is read.
	// MQTT 3.1.1, clean session, ten seconds, no client identifier.
	b := converse(c, []byte{0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 10, 0, 0}, func(b []byte) bool { return len(b) >= 4 }, perAnswer)
	if len(b) < 4 || b[0] != 0x20 || b[1] != 2 || b[3] > 5 {
		return false
	}
	a.s.Service = "mqtt"
	a.tell("mqtt.connack", fmt.Sprintf("return code %d", b[3]))
	if b[3] != 0 {
		return true
	}
	const topic = "$SYS/broker/version"
	ask := append([]byte{0x82, byte(5 + len(topic)), 0, 1, 0, byte(len(topic))}, topic...)
	b = converse(c, append(ask, 0), func(b []byte) bool { return bytes.Contains(b, []byte(topic)) }, perBanner)
	if _, rest, ok := bytes.Cut(b, []byte(topic)); ok {
		said := service.Text(string(rest))
		a.tell("mqtt.version", said)
		if product, version, ok := strings.Cut(said, " version "); ok {
			a.claim("mqtt", product, version)
		}
	}
	return true
}
