package attribute

import "noroshi/discovery"

// Weights are the kinds that are weighed.
func Weights() map[discovery.Kind]weight { return weights }
