package sbom

import (
	"encoding/hex"
	"strings"

	"noroshi/bom"
)

// Hash is a hash of a component, as CycloneDX writes it.
type Hash struct {
	Alg     string `json:"alg" xml:"alg,attr"`
	Content string `json:"content" xml:",chardata"`
}

// File is what a bill of materials says of a file, and where in it.
type File struct {
	Path, Place string
	Hashes      []Hash
}

// algorithm is the name of an algorithm in capitals and without separators.
func algorithm(name string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToUpper(name))
}

// sizes are the bytes of a hash by its algorithm, in capitals and without
// separators; those of other algorithms are not looked at.
var sizes = map[string]int{
	"MD5": 16, "SHA1": 20, "SHA224": 28, "SHA256": 32, "SHA384": 48, "SHA512": 64,
	"SHA3256": 32, "SHA3384": 48, "SHA3512": 64, "BLAKE2B256": 32, "BLAKE2B384": 48, "BLAKE2B512": 64, "BLAKE3": 32,
}

// protoAlgorithms are their numbers in protobuf.
var protoAlgorithms = []string{
	"", "MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512", "SHA3-256", "SHA3-384", "SHA3-512", "BLAKE2b-256", "BLAKE2b-384", "BLAKE2b-512", "BLAKE3",
}

// hashes looks whether hashes can be what they say. One that cannot proves
// nothing about its component, so it is counted and named.
func (b *builder) hashes(c bom.Component, list []Hash) {
	for _, h := range list {
		size, known := sizes[algorithm(h.Alg)]
		if !known {
			continue
		}
		content := strings.TrimSpace(h.Content)
		if _, err := hex.DecodeString(content); err == nil && len(content) == 2*size {
			continue
		}
		if b.sys.BadHashes++; b.sys.BadHashes == 1 {
			b.sys.BadHash = c.Label() + " (" + h.Alg + ")"
		}
	}
}
