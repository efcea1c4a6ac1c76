package identify

import (
	"strings"

	"noroshi/service"
)

// rootAttributes are what a directory says of itself to everybody (RFC 4512
// §5.1), and where makers say who they are (RFC 3045).
var rootAttributes = []string{"objectClass", "structuralObjectClass", "vendorName", "vendorVersion", "namingContexts", "supportedLDAPVersion", "dnsHostName", "domainFunctionality"}

// ldap reads the root entry, without a name and without a password.
func (a *asking) ldap() bool {
	b := a.exchange(rootQuestion(), func(b []byte) bool { _, _, done := decodeSearch(b); return done })
	root, known, _ := decodeSearch(b)
	if !known {
		return false
	}
	a.s.Service = "ldap"
	for _, n := range rootAttributes {
		a.tell("ldap."+strings.ToLower(n), root[strings.ToLower(n)])
	}
	switch classes := root["objectclass"] + " " + root["structuralobjectclass"]; {
	case root["vendorversion"] != "":
		product, version, ok := strings.Cut(root["vendorversion"], "/") // 389-Directory/2.3.1 B2023.…
		if version, _, _ = strings.Cut(version, " "); !ok {
			product, version = root["vendorname"], root["vendorversion"]
		}
		a.claim("ldap", product, version)
	case strings.Contains(classes, "OpenLDAProotDSE"):
		a.claim("ldap", "OpenLDAP", "")
	case root["domainfunctionality"] != "":
		a.claim("ldap", "Active Directory", "")
	}
	return true
}

// rootQuestion searches for the root entry alone, of any class.
func rootQuestion() []byte {
	var attributes [][]byte
	for _, n := range rootAttributes {
		attributes = append(attributes, encode(berOctetString, []byte(n)))
	}
	return encode(berSequence, encode(berInteger, []byte{1}), encode(0x63, // SearchRequest
		encode(berOctetString), encode(berEnumerated, []byte{0}), encode(berEnumerated, []byte{0}), encode(berInteger, []byte{1}), encode(berInteger, []byte{3}),
		encode(0x01, []byte{0}), encode(0x87, []byte("objectClass")), encode(berSequence, attributes...)))
}

// decodeSearch reads the entry that answers a search, its attributes in small
// letters with their values in a row; known says that this is LDAP, and done that
// the end of the answer has come.
func decodeSearch(b []byte) (root map[string]string, known, done bool) {
	root = map[string]string{}
	for range 8 {
		message, rest, ok := inner(b, berSequence)
		_, operation, ok2 := inner(message, berInteger)
		tag, body, _, ok3 := element(operation)
		if !ok || !ok2 || !ok3 {
			return root, known, false
		}
		switch tag {
		case 0x64: // an entry: its name, and its attributes
			_, body, _ = inner(body, berOctetString)
			list, _, _ := inner(body, berSequence)
			readAttributes(list, root)
			known = true
		case 0x65:
			return root, true, true
		default:
			return root, known, false
		}
		b = rest
	}
	return root, known, false
}

func readAttributes(list []byte, root map[string]string) {
	for range 64 {
		one, rest, ok := inner(list, berSequence)
		name, values, ok2 := inner(one, berOctetString)
		set, _, ok3 := inner(values, berSet)
		if !ok || !ok2 || !ok3 {
			return
		}
		var all []string
		for len(set) > 0 && len(all) < 32 {
			v, more, ok := inner(set, berOctetString)
			if !ok {
				break
			}
			all, set = append(all, service.Text(string(v))), more
		}
		root[strings.ToLower(service.Text(string(name)))] = service.Text(strings.Join(all, ", "))
		list = rest
	}
}
