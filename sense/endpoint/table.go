package endpoint

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"noroshi/event"
	"noroshi/sense/endpoint/observed"
)

// maxProcesses bounds the table; a machine has at most 4,194,304 pids, and the
// oldest entries go first.
const maxProcesses = 65_536

// table knows the processes that live, so that a child can name its parent and a
// connection its program.
type table struct {
	mu   sync.Mutex
	m    map[int]*entry
	dead []grave
}

type entry struct {
	proc  *event.Process
	ended bool
}

type grave struct {
	pid int
	e   *entry
	at  time.Time
}

func newTable() *table { return &table{m: map[int]*entry{}} }

// seed reads the processes that were there before the sensor.
func (t *table) seed() {
	list, err := os.ReadDir("/proc")
	if err != nil {
		return // The table fills as processes start.
	}
	for _, d := range list {
		if pid, err := strconv.Atoi(d.Name()); err == nil {
			if p := fromProc(pid); p != nil {
				t.m[pid] = &entry{proc: p}
			}
		}
	}
}

// fromProc describes a process that lives, as far as /proc tells.
func fromProc(pid int) *event.Process {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	exe, err := os.Readlink(filepath.Join(dir, "exe"))
	if err != nil {
		return nil // A kernel thread, or gone.
	}
	p := &event.Process{PID: pid, File: &event.File{Path: strings.TrimSuffix(exe, " (deleted)")}}
	p.Name = filepath.Base(p.File.Path)
	p.File.Name = p.Name
	if b, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil && len(b) < 128<<10 {
		p.CmdLine = commandLine(strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00"))
	}
	return p
}

// note takes a fact into account and returns the process it is about. The
// result is a copy that nobody changes any more.
func (t *table) note(f observed.Fact, u *users) *event.Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bury(f.At)
	switch f.Kind {
	case observed.Exec:
		return t.exec(f, u)
	case observed.Exit:
		p := t.find(f, u)
		if e, ok := t.m[f.PID]; ok {
			e.ended = true
			t.dead = append(t.dead, grave{f.PID, e, f.At})
		}
		p.TerminatedTime = f.At.UnixMilli()
		return p
	}
	return t.find(f, u)
}

func (t *table) exec(f observed.Fact, u *users) *event.Process {
	file := absolute(f.PID, f.File)
	p := &event.Process{PID: f.PID, UID: key(f), Name: filepath.Base(file), CmdLine: commandLine(f.Args), CreatedTime: f.At.UnixMilli(),
		File: &event.File{Path: file, Name: filepath.Base(file), TypeID: 1}, User: u.get(f.UID)}
	if cwd, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(f.PID), "cwd")); err == nil {
		p.WorkingDirectory = cwd
	}
	if f.Cut { // The process may still tell the rest.
		if full := fromProc(f.PID); full != nil && len(full.CmdLine) > len(p.CmdLine) {
			p.CmdLine = full.CmdLine[:min(len(full.CmdLine), 16<<10)]
		}
	}
	if pp, ok := t.m[f.PPID]; ok {
		parent := *pp.proc
		parent.ParentProcess = nil // One generation is told; the parent's own start told the next.
		p.ParentProcess = &parent
	} else if pp := fromProc(f.PPID); pp != nil {
		p.ParentProcess = pp
	}
	if len(t.m) >= maxProcesses {
		for pid := range t.m { // Any will do: it is read again from /proc when needed.
			delete(t.m, pid)
			break
		}
	}
	t.m[f.PID] = &entry{proc: p}
	c := *p
	return &c
}

// find returns what is known of a process that a fact names.
func (t *table) find(f observed.Fact, u *users) *event.Process {
	if e, ok := t.m[f.PID]; ok {
		c := *e.proc
		if c.User == nil {
			c.User = u.get(f.UID)
		}
		return &c
	}
	p := fromProc(f.PID)
	if p == nil {
		p = &event.Process{PID: f.PID, Name: f.Comm}
	}
	// A fork without exec is its parent's program.
	if p.File == nil {
		if pp, ok := t.m[f.PPID]; ok {
			p.File, p.CmdLine = pp.proc.File, pp.proc.CmdLine
		}
	}
	p.UID, p.User = key(f), u.get(f.UID)
	return p
}

// bury forgets processes that ended a while ago.
func (t *table) bury(now time.Time) {
	for len(t.dead) > 0 && now.Sub(t.dead[0].at) > settle {
		if g := t.dead[0]; t.m[g.pid] == g.e && g.e.ended {
			delete(t.m, g.pid)
		}
		t.dead = t.dead[1:]
	}
}

func key(f observed.Fact) string {
	if f.Start == 0 {
		return ""
	}
	return strconv.Itoa(f.PID) + "-" + strconv.FormatInt(int64(f.Start), 36)
}

// users knows the names of users, read from the file when it has changed.
type users struct {
	file string
	mu   sync.Mutex
	at   time.Time
	m    map[int]string
}

func newUsers(file string) *users { return &users{file: file} }

func (u *users) get(id int) *event.User {
	u.mu.Lock()
	defer u.mu.Unlock()
	if info, err := os.Stat(u.file); err == nil && !info.ModTime().Equal(u.at) {
		u.at, u.m = info.ModTime(), readUsers(u.file)
	}
	return &event.User{Name: u.m[id], UID: strconv.Itoa(id)}
}

func readUsers(file string) map[int]string {
	m := map[int]string{}
	f, err := os.Open(file)
	if err != nil {
		return m
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if p := strings.Split(lines.Text(), ":"); len(p) > 2 {
			if id, err := strconv.Atoi(p[2]); err == nil && m[id] == "" {
				m[id] = p[0]
			}
		}
	}
	return m
}
