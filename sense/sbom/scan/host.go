package scan

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"strings"

	"noroshi/bom"
	"noroshi/fault"
)

// Host scans the machine: what its package managers, language by language, have
// installed, the programs of Go, and the kernel that runs. Lock files on its disk
// say what somebody is building, not what is installed, and are passed over, as
// are the images of containers, which are systems of their own.
func Host() (Result, error) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return Result{}, fault.As(fault.Unavailable, "scan.host", err, "the release of the running kernel cannot be read: %v", err)
	}
	name, err := os.Hostname()
	if err != nil {
		return Result{}, fault.As(fault.Unavailable, "scan.host", err, "the name of the machine cannot be read: %v", err)
	}
	return host("/", name, string(bytes.TrimSpace(release)))
}

// host scans the root of a machine that runs a kernel.
func host(root, name, kernel string) (Result, error) {
	r, err := scanned(root, func(s *scanner) { s.host = true }, func(s *scanner) { s.kernel(kernel) })
	r.System.Name, r.System.Format = name, "a machine"
	return r, err
}

// kernel takes the kernel that runs, and the package that it is of. One that was
// mended on the disk and not started is the older one here.
func (s *scanner) kernel(release string) {
	self := s.add(bom.PURL{Type: "generic", Name: "linux", Version: release}, "")
	s.edge(bom.Root, self)
	for i, c := range s.sys.Components {
		whole := c.Version + "." + c.PURL.Qualifiers["arch"]
		if c.PURL.Type == "deb" && c.PURL.Name == "linux-image-"+release || c.PURL.Type == "rpm" && strings.HasPrefix(c.PURL.Name, "kernel") && whole == release {
			s.edge(self, i)
			return
		}
	}
	s.note("proc/sys/kernel/osrelease", fault.New(fault.Invalid, "scan.host", "the kernel that runs, %.100s, is of no package that is installed here; advisories are not matched with it", release))
}

// foreign are folders of a machine in which other systems lie.
func foreign(name string) bool {
	switch name {
	case "var/lib/docker", "var/lib/containers", "var/lib/containerd", "var/lib/lxc", "var/lib/lxd", "var/lib/machines", "snap", "var/lib/snapd", "var/lib/flatpak":
		return true
	}
	return strings.HasSuffix(name, "/.local/share/containers")
}

// global tells the package.json of packages that npm installed for a machine.
func global(name string) bool {
	folder := path.Dir(name)
	above := path.Dir(folder)
	if strings.HasPrefix(path.Base(above), "@") {
		above = path.Dir(above)
	}
	return path.Base(above) == "node_modules" && strings.Contains("/"+name, "/lib/node_modules/")
}

// npmInstalled reads the package.json of an installed package. What it needs is
// found when all are known.
func (s *scanner) npmInstalled(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	var p npmPackage
	if err := json.Unmarshal(b, &p); err != nil {
		return fault.As(fault.Invalid, "scan.npm", err, "it is no package.json: %v", err)
	}
	if p.Name == "" || p.Version == "" {
		return nil
	}
	i := s.add(npmPURL(p.Name, p.Version), "")
	s.licensed(i, p.license())
	s.installedNPM[path.Dir(name)] = i
	if strings.Count(name, modules) == 1 {
		s.edge(bom.Root, i)
	}
	for _, needs := range []map[string]string{p.Needs, p.Optional} {
		for _, n := range keys(needs) {
			s.needsNPM = append(s.needsNPM, npmNeed{path.Dir(name), n})
		}
	}
	return nil
}

type npmNeed struct{ folder, name string }

// joinNPM makes the edges of installed packages.
func (s *scanner) joinNPM() {
	for _, n := range s.needsNPM {
		if to, ok := resolve(s.installedNPM, n.folder, n.name); ok {
			s.edge(s.installedNPM[n.folder], to)
		}
	}
}
