package identity

import "noroshi/identity/join"

// What tests of package identity_test reach inside for.
var (
	ReadRequest = readRequest[join.Request]
	ReadRenewal = readRequest[join.Renewal]
)
