package identity

// What tests of package identity_test reach inside for.
var (
	ReadRequest = readRequest
	Learn       = (*Nodes).learn
)
