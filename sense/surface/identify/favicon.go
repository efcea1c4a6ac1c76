package identify

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math/bits"

	"noroshi/service"
)

func newFavicon(b []byte) *service.Favicon {
	sum, long := md5.Sum(b), sha256.Sum256(b)
	return &service.Favicon{MD5: hex.EncodeToString(sum[:]), SHA256: hex.EncodeToString(long[:]), Murmur3: int32(murmur3(mime(b)))}
}

// mime is the base64 of RFC 2045, with an end to each line.
func mime(b []byte) (lines []byte) {
	text := base64.StdEncoding.AppendEncode(nil, b)
	for len(text) > 0 {
		n := min(76, len(text))
		lines = append(append(lines, text[:n]...), '\n')
		text = text[n:]
	}
	return lines
}

// murmur3 is MurmurHash3, x86, 32 bits, with the seed 0.
func murmur3(b []byte) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	var h uint32
	n := uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		h ^= bits.RotateLeft32(binary.LittleEndian.Uint32(b)*c1, 15) * c2
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	var tail [4]byte
	copy(tail[:], b)
	h ^= bits.RotateLeft32(binary.LittleEndian.Uint32(tail[:])*c1, 15) * c2
	h ^= n
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}
