// Package observable is the vocabulary of things that can be seen and shared:
// names, addresses, hashes, URLs. It parses what people and machines write
// (defanged, international, upper case), normalises it to one form, so that
// equal things compare equal, and defangs it again for people.
package observable

// Kind is what an observable is.
type Kind string

// The kinds.
const (
	Domain Kind = "domain" // lower-case A-labels without trailing dot
	IPv4   Kind = "ipv4"   // dotted quad
	IPv6   Kind = "ipv6"   // RFC 5952 text; IPv4-mapped addresses become IPv4
	CIDR   Kind = "cidr"   // masked prefix of either family
	URL    Kind = "url"    // normalised, with scheme and host in lower case
	MD5    Kind = "md5"    // lower-case hexadecimal
	SHA1   Kind = "sha1"
	SHA256 Kind = "sha256"
)

// Observable is one thing in its normal form.
type Observable struct {
	Kind  Kind   `json:"kind"`
	Value string `json:"value"`
}
