package feed

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"noroshi/fault"
)

// Contents is what is remembered of a feed file that was believed: how many
// entries it had, and a sample of their names. It is small whatever the size of
// the feed, so it can be kept with the record of the feed.
type Contents struct {
	Entries int `json:"entries"`
	// Sample are the smallest hashes of the names, at most sampled of them and
	// sorted: which names they are of is chance, so what is missing among them is
	// missing in the feed in the same part.
	Sample []uint64 `json:"sample"`
}

const (
	sampled = 1024
	// maxLoss is the part of its entries that a feed may lose from one file to
	// the next.
	maxLoss = 0.5
	// fewest is from how many entries on a loss means something.
	fewest = 10
)

// Summary returns what is to be remembered of a feed with these names.
func Summary(names []string) Contents {
	hashes := make([]uint64, len(names))
	for i, n := range names {
		// Of SHA-256, so that nobody can choose names that are in the sample.
		h := sha256.Sum256([]byte(n))
		hashes[i] = binary.BigEndian.Uint64(h[:])
	}
	slices.Sort(hashes)
	hashes = slices.Compact(hashes)
	return Contents{Entries: len(hashes), Sample: hashes[:min(len(hashes), sampled)]}
}

// Lost is the part of the entries of the last believed file that the new one
// does not have: exact for small feeds, estimated for large ones.
func Lost(last, now Contents) float64 {
	judged, missing := 0, 0
	for _, h := range last.Sample {
		// Beyond the end of a full sample, absence says nothing.
		if len(now.Sample) == sampled && h > now.Sample[sampled-1] {
			break
		}
		judged++
		if _, found := slices.BinarySearch(now.Sample, h); !found {
			missing++
		}
	}
	if judged == 0 {
		return 0
	}
	return float64(missing) / float64(judged)
}

// Believe refuses a feed file that lost more than half of what the last believed
// one had: a cut download, a broken exporter and an attacker who wants a
// weakness forgotten look alike, and the last file is still right in most.
func Believe(last, now Contents) error {
	if lost := Lost(last, now); last.Entries >= fewest && lost > maxLoss {
		return fault.New(fault.Conflict, "feed.believe",
			"it lost %.0f %% of the %d entries that the last believed file had, and has %d now; it is kept and not believed until somebody says that this is right", 100*lost, last.Entries, now.Entries)
	}
	return nil
}
