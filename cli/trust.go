package cli

import (
	"bufio"
	"crypto/x509"
	"flag"
	"io"
	"net/netip"
	"os"
	"strings"

	"noroshi/fault"
)

// The limits of the files that say whom to trust and what is known.
const (
	maxRoots     = 16 << 20 // bytes
	maxHostLines = 1_000_000
)

func rootsFlag(fs *flag.FlagSet) *string {
	return fs.String("roots", "", "file with the root certificates (PEM) by which certificates are judged; the system's when left out")
}

// trustedRoots reads roots from a file, or takes the system's; nil where there
// are none, and then no chain is judged.
func trustedRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		pool, err := x509.SystemCertPool()
		if err != nil || pool.Equal(x509.NewCertPool()) {
			return nil, nil // A system without roots is one that judges none.
		}
		return pool, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fault.As(fault.NotFound, "cli.roots", err, "the roots cannot be read: %v", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	b, err := io.ReadAll(io.LimitReader(f, maxRoots+1))
	if err != nil || len(b) > maxRoots {
		return nil, fault.As(fault.TooLarge, "cli.roots", err, "the roots %s cannot be read, or are over %d bytes", file, maxRoots)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fault.New(fault.Invalid, "cli.roots", "no certificate stands in %s; it is a file of PEM blocks (-----BEGIN CERTIFICATE-----)", file)
	}
	return pool, nil
}

// knownNames reads a file of addresses and their names, as /etc/hosts is.
func knownNames(file string) (func(netip.Addr) []string, error) {
	const op = "cli.names"
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fault.As(fault.NotFound, op, err, "the names cannot be read: %v", err)
	}
	defer func() { _ = f.Close() }() // It was only read.
	known := map[netip.Addr][]string{}
	lines := bufio.NewScanner(f)
	n := 0
	for lines.Scan() {
		n++
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		a, err := netip.ParseAddr(words[0])
		switch {
		case err != nil || len(words) == 1:
			return nil, fault.New(fault.Invalid, op, "a line is an address and its names: 192.0.2.1 www.example.jp").At("%s, line %d", file, n)
		case n > maxHostLines:
			return nil, fault.New(fault.TooLarge, op, "the names are over %d lines", maxHostLines).At("%s", file)
		}
		known[a] = append(known[a], words[1:]...)
	}
	if err := lines.Err(); err != nil {
		return nil, fault.As(fault.Invalid, op, err, "the names cannot be read: %v", err).At("%s, line %d", file, n+1)
	}
	return func(a netip.Addr) []string { return known[a] }, nil
}
