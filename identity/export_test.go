package identity

// ReadRequest is fuzzed from outside, where the rest of the tests stand.
var ReadRequest = readRequest
