// Command sbom measures the matching of bills of materials with advisories: what
// 160 systems cost, loading included, how the answers agree with those that
// osv-scanner 2.4.0 gave, and how long 10,000 systems take to say who is hit.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"noroshi/bench/kit"
)

// figures are what the last line says.
type figures struct {
	Systems     int     `json:"systems"`
	CPU         float64 `json:"cpu_s"`
	RSS         int     `json:"rss_mb"`
	Recall      float64 `json:"recall"`
	Unexplained int     `json:"extra_unexplained"`
	WhoIsHit    float64 `json:"who_is_hit_ms"` // the slowest weakness
	Rematch     float64 `json:"rematch_ms"`
}

func main() {
	data := flag.String("data", "../shared/data/exposure", "the folder of the public data")
	systems := flag.Int("systems", 10_000, "how many systems are made for who-is-hit")
	components := flag.Int("components", 500, "of how many components each")
	seed := flag.Uint64("seed", 1, "of the systems that are made")
	flag.Parse()
	fmt.Println(kit.Machine())
	if err := run(*data, *systems, *components, *seed); err != nil {
		log.Fatal(err)
	}
}

func run(data string, systems, components int, seed uint64) error {
	dir, err := os.MkdirTemp("", "noroshi-bench-sbom-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	files, err := unpack(filepath.Join(data, "sbom-corpus", "sys-000-159.tgz"), dir)
	if err != nil {
		return err
	}
	advisories := []string{filepath.Join(data, "osv-go.zip"), filepath.Join(data, "pypa-advisories.zip")}
	f := figures{Systems: len(files)}
	results, err := check(&f, advisories, files)
	if err != nil {
		return err
	}
	if err := compare(&f, filepath.Join(data, "sbom-corpus", "osv-scanner-2.4.0-answers.json.gz"), advisories, results); err != nil {
		return err
	}
	if err := many(&f, advisories, files, systems, components, seed); err != nil {
		return err
	}
	return kit.Print(os.Stdout, "sbom", f)
}
