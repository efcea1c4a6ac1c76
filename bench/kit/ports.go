package kit

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports names n loopback addresses whose ports are free for UDP and TCP and that
// the system gives to nobody by itself, so that a process which was killed finds
// its own again.
func Ports(n int) ([]string, error) {
	const from, to = 20_000, 32_000 // Below Linux's range for sockets that name no port.
	var out []string
	for range 10_000 {
		if len(out) == n {
			return out, nil
		}
		addr := fmt.Sprintf("127.0.0.1:%d", from+rand.N(to-from))
		if free(addr) {
			out = append(out, addr)
		}
	}
	return nil, fmt.Errorf("there are no %d free ports between %d and %d", n, from, to)
}

func free(addr string) bool {
	t, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	u, err := net.ListenPacket("udp", addr)
	if err == nil {
		err = u.Close()
	}
	return t.Close() == nil && err == nil
}
