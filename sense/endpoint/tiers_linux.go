package endpoint

import (
	"noroshi/sense/endpoint/ebpf"
	"noroshi/sense/endpoint/proc"
)

// tiers, the best first.
var tiers = []tier{
	{EBPF, func(c Config) (source, error) { return ebpf.Open(c.RingBytes) }},
	{Proc, func(Config) (source, error) { return proc.Open() }},
}
