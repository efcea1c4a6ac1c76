package scan

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"io/fs"
	"net/textproto"
	"path"
	"regexp"
	"strings"

	"noroshi/bom"
	"noroshi/fault"
)

// requirement is the beginning of PEP 508: a name, perhaps with extras.
var requirement = regexp.MustCompile(`^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*`)

// distInfo reads an installed Python package; what it needs is what is installed
// beside it.
func (s *scanner) distInfo(name string) error {
	h, err := s.metadata(name)
	if err != nil {
		return err
	}
	if h.Get("Name") == "" || h.Get("Version") == "" {
		return fault.New(fault.Invalid, "scan.python", "it has no Name and Version")
	}
	self := s.add(bom.PURL{Type: "pypi", Name: h.Get("Name"), Version: h.Get("Version")}, h.Get("Author"))
	s.licensed(self, cmp.Or(h.Get("License-Expression"), short(h.Get("License"))))
	beside := path.Dir(path.Dir(name))
	for _, need := range h.Values("Requires-Dist") {
		if strings.Contains(need, "extra ==") {
			continue // Only for an extra, which may not have been asked for.
		}
		m := requirement.FindStringSubmatch(need)
		if m == nil {
			continue
		}
		if to, ok := s.installed(beside)[(bom.PURL{Type: "pypi", Name: m[1]}).Normal().Name]; ok {
			s.edge(self, s.add(to, ""))
		}
	}
	return nil
}

// short is a license that is a name: some put its whole text there.
func short(license string) string {
	if len(license) > 64 {
		return ""
	}
	return license
}

// installed are the packages whose dist-info stands in a folder, by their names.
func (s *scanner) installed(folder string) map[string]bom.PURL {
	if list, ok := s.python[folder]; ok {
		return list
	}
	list := map[string]bom.PURL{}
	entries, err := fs.ReadDir(s.root.FS(), folder)
	if err != nil {
		s.note(folder, err)
	}
	for _, e := range entries {
		stem, ok := strings.CutSuffix(e.Name(), ".dist-info")
		name, version, two := strings.Cut(stem, "-")
		if ok && two {
			p := bom.PURL{Type: "pypi", Name: name, Version: version}.Normal()
			list[p.Name] = p
		}
	}
	s.python[folder] = list
	return list
}

// metadata reads the headers of a METADATA file.
func (s *scanner) metadata(name string) (textproto.MIMEHeader, error) {
	b, err := s.read(name)
	if err != nil {
		return nil, err
	}
	// Only headers are wanted; the description behind them may be anything.
	if head, _, ok := bytes.Cut(b, []byte("\n\n")); ok {
		b = head
	}
	b = append(bytes.TrimRight(b, "\r\n"), "\n\n"...)
	h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(b))).ReadMIMEHeader()
	if err != nil {
		return nil, fault.As(fault.Invalid, "scan.python", err, "its headers are not well formed: %v", err)
	}
	return h, nil
}

// requirements reads the lines that pin one version. What is not pinned is no
// statement of what is installed.
func (s *scanner) requirements(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		line, _, _ = strings.Cut(line, ";")
		line = strings.TrimRight(strings.TrimSpace(line), "\\")
		m := requirement.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		version, pinned := strings.CutPrefix(line[len(m[0]):], "==")
		version = strings.TrimSpace(strings.TrimPrefix(version, "="))
		version, _, _ = strings.Cut(version, " ") // Behind it stand hashes.
		if pinned && version != "" && !strings.ContainsAny(version, "*,") {
			s.edge(bom.Root, s.add(bom.PURL{Type: "pypi", Name: m[1], Version: version}, ""))
		}
	}
	return nil
}

// pipfileLock reads Pipenv's, which does not say what needs what.
func (s *scanner) pipfileLock(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	var l struct {
		Default map[string]struct{ Version string } `json:"default"`
		Develop map[string]struct{ Version string } `json:"develop"`
	}
	if err := json.Unmarshal(b, &l); err != nil {
		return fault.As(fault.Invalid, "scan.python", err, "it is no Pipfile.lock: %v", err)
	}
	for _, list := range []map[string]struct{ Version string }{l.Default, l.Develop} {
		for _, n := range keys(list) {
			if v, pinned := strings.CutPrefix(list[n].Version, "=="); pinned && n != "" {
				s.add(bom.PURL{Type: "pypi", Name: n, Version: v}, "")
			}
		}
	}
	return nil
}
