//go:build !linux

package endpoint

import "noroshi/fault"

// tiers of other systems are for later issues.
var tiers = []tier{{Auto, func(Config) (source, error) {
	return nil, fault.New(fault.Unavailable, "endpoint.open", "the sensor runs on Linux only")
}}}
