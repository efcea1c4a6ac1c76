package scan

import (
	"encoding/xml"
	"regexp"
	"strings"

	"noroshi/bom"
	"noroshi/fault"
)

// pom is what is read of a pom.xml. It pins what it names itself; what a parent
// pins, and what its dependencies need, it does not say.
type pom struct {
	GroupID    string `xml:"groupId"`
	ArtifactID string `xml:"artifactId"`
	Version    string `xml:"version"`
	Parent     struct {
		GroupID string `xml:"groupId"`
		Version string `xml:"version"`
	} `xml:"parent"`
	Properties struct {
		List []struct {
			XMLName xml.Name
			Value   string `xml:",chardata"`
		} `xml:",any"`
	} `xml:"properties"`
	Managed      []pomDependency `xml:"dependencyManagement>dependencies>dependency"`
	Dependencies []pomDependency `xml:"dependencies>dependency"`
}

type pomDependency struct {
	GroupID    string `xml:"groupId"`
	ArtifactID string `xml:"artifactId"`
	Version    string `xml:"version"`
	Scope      string `xml:"scope"`
}

var pomProperty = regexp.MustCompile(`\$\{([^}]+)\}`)

func (s *scanner) pom(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	var p pom
	if err := xml.Unmarshal(b, &p); err != nil {
		return fault.As(fault.Invalid, "scan.maven", err, "it is no pom.xml: %v", err)
	}
	says := map[string]string{"project.version": p.Version, "project.groupId": p.GroupID, "project.artifactId": p.ArtifactID, "project.parent.version": p.Parent.Version}
	if p.Version == "" {
		says["project.version"] = p.Parent.Version
	}
	if p.GroupID == "" {
		says["project.groupId"] = p.Parent.GroupID
	}
	for _, x := range p.Properties.List {
		says[x.XMLName.Local] = strings.TrimSpace(x.Value)
	}
	real := func(text string) string {
		for range 4 { // Properties may name others.
			text = pomProperty.ReplaceAllStringFunc(strings.TrimSpace(text), func(m string) string {
				if v := says[m[2:len(m)-1]]; v != "" {
					return v
				}
				return m
			})
			if len(text) > 1024 {
				return ""
			}
		}
		return text
	}
	managed := map[string]string{}
	for _, d := range p.Managed {
		managed[real(d.GroupID)+":"+real(d.ArtifactID)] = real(d.Version)
	}
	open := 0
	for _, d := range p.Dependencies {
		group, artifact, version := real(d.GroupID), real(d.ArtifactID), real(d.Version)
		if version == "" {
			version = managed[group+":"+artifact]
		}
		if d.Scope == "test" || group == "" || artifact == "" {
			continue
		}
		if version == "" || strings.ContainsAny(group+artifact+version, "${}[(,") {
			open++
			continue
		}
		s.edge(bom.Root, s.add(bom.PURL{Type: "maven", Namespace: group, Name: artifact, Version: version}, ""))
	}
	if open > 0 {
		return fault.New(fault.Invalid, "scan.maven", "of %d dependencies it does not say the version; a parent may", open)
	}
	return nil
}

// gradleLock reads gradle.lockfile: group:artifact:version=configurations. It does
// not say what needs what.
func (s *scanner) gradleLock(name string) error {
	b, err := s.read(name)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		module, _, ok := strings.Cut(strings.TrimSpace(line), "=")
		f := strings.Split(module, ":")
		if ok && len(f) == 3 && !strings.HasPrefix(line, "#") && f[0] != "" && f[1] != "" && f[2] != "" {
			s.add(bom.PURL{Type: "maven", Namespace: f[0], Name: f[1], Version: f[2]}, "")
		}
	}
	return nil
}
