package scan

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"

	"noroshi/bom"
	"noroshi/fault"
)

// rpmDatabase is where rpm keeps what is installed, in SQLite.
const rpmDatabase = "rpmdb.sqlite"

// rpmOther are its older and other databases, which are not read.
var rpmOther = map[string]string{"Packages": "Berkeley DB", "Packages.db": "ndb"}

// The tags of a header (rpmtag.h) that are read.
const (
	rpmName     = 1000
	rpmVersion  = 1001
	rpmRelease  = 1002
	rpmEpoch    = 1003
	rpmVendor   = 1011
	rpmLicense  = 1014
	rpmArch     = 1022
	rpmSource   = 1044
	rpmProvides = 1047
	rpmRequires = 1049
	rpmModule   = 5096
)

// rpm reads the packages that rpm has installed.
func (s *scanner) rpm(name string) error {
	f, err := s.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // It was only read.
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if wal, err := s.root.Stat(name + "-wal"); err == nil && wal.Size() > 0 {
		s.note(name, fault.New(fault.Invalid, "scan.rpm", "its last changes are in %s-wal and are not read; as root, rpm -qa brings them in", rpmDatabase))
	}
	d, err := openSQLite(f, info.Size())
	if err != nil {
		return err
	}
	g := s.graph()
	bad := 0
	err = d.table("Packages", func(row [][]byte) error {
		if len(row) < 2 {
			return nil
		}
		h, ok := rpmHeader(row[1])
		if !ok {
			bad++
			return nil
		}
		s.rpmPackage(g, h)
		return nil
	})
	g.join()
	if err == nil && bad > 0 {
		err = fault.New(fault.Invalid, "scan.rpm", "%d packages have a header that is none", bad)
	}
	return err
}

// rpmPackage takes one package.
func (s *scanner) rpmPackage(g *graph, h map[int][]string) {
	first := func(tag int) string {
		if len(h[tag]) == 0 {
			return ""
		}
		return h[tag][0]
	}
	if first(rpmName) == "" || first(rpmVersion) == "" || first(rpmName) == "gpg-pubkey" {
		return // A key that rpm trusts is kept like a package.
	}
	q := s.qualifiers(first(rpmArch))
	if e := first(rpmEpoch); e != "" && e != "0" {
		q["epoch"] = e
	}
	for qualifier, tag := range map[string]int{"upstream": rpmSource, "rpmmod": rpmModule} {
		if v := first(tag); v != "" {
			q[qualifier] = v
		}
	}
	version := first(rpmVersion)
	if r := first(rpmRelease); r != "" {
		version += "-" + r
	}
	i := g.take(bom.PURL{Type: "rpm", Namespace: rpmVendors(s.vendor), Name: first(rpmName), Version: version, Qualifiers: q})
	s.sys.Components[i].Supplier = first(rpmVendor)
	s.licensed(i, first(rpmLicense))
	g.call(i, h[rpmProvides]...)
	g.call(i, first(rpmName))
	g.needs(i, h[rpmRequires]...)
}

// rpmVendors is the namespace of package URLs for an ID of os-release.
func rpmVendors(id string) string {
	switch {
	case id == "rhel":
		return "redhat"
	case strings.HasPrefix(id, "opensuse"):
		return "opensuse"
	case strings.HasPrefix(id, "sle"):
		return "suse"
	}
	return id
}

// rpmHeader reads the tags of a header: an index of tag, type, offset and count,
// and a store of values.
func rpmHeader(b []byte) (tags map[int][]string, ok bool) {
	if len(b) < 8 {
		return nil, false
	}
	n, size := int(binary.BigEndian.Uint32(b)), int(binary.BigEndian.Uint32(b[4:]))
	if n > 1<<16 || 8+16*n+size > len(b) {
		return nil, false
	}
	index, store := b[8:8+16*n], b[8+16*n:8+16*n+size]
	tags = map[int][]string{}
	for ; len(index) > 0; index = index[16:] {
		tag, kind := int(binary.BigEndian.Uint32(index)), binary.BigEndian.Uint32(index[4:])
		at, count := int(binary.BigEndian.Uint32(index[8:])), int(binary.BigEndian.Uint32(index[12:]))
		switch tag {
		case rpmName, rpmVersion, rpmRelease, rpmEpoch, rpmVendor, rpmLicense, rpmArch, rpmSource, rpmProvides, rpmRequires, rpmModule:
		default:
			continue
		}
		if at > len(store) {
			return nil, false
		}
		value := store[at:]
		if kind == 4 { // A number of 32 bits.
			if len(value) < 4 {
				return nil, false
			}
			tags[tag] = []string{strconv.FormatUint(uint64(binary.BigEndian.Uint32(value)), 10)}
			continue
		}
		for ; count > 0 && len(value) > 0; count-- { // Strings that end in a zero.
			text, rest, ended := bytes.Cut(value, []byte{0})
			if !ended {
				return nil, false
			}
			tags[tag], value = append(tags[tag], string(text)), rest
		}
	}
	return tags, true
}
