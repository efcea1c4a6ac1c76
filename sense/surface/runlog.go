package surface

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"time"

	"noroshi/fault"
	"noroshi/ident"
)

// maxLine is the longest line of a log of runs that is read.
const maxLine = 1 << 20

// RunLog is the file that accounts for every run: who began it, when, by which
// text of which scope, how far it came and what it sent. It is only appended to.
type RunLog struct {
	file *os.File
	most int64 // probes to the owner
	had  int64 // probes of the run before this sitting

	numbered []netip.Prefix // what the numbering of targets leaves out; never nil

	mu    sync.Mutex
	entry Entry
}

// Entry is one line of the log.
type Entry struct {
	Run        ident.ID  `json:"run"`
	At         time.Time `json:"at"`
	What       string    `json:"what"` // began, promised, allowed, narrowed or ended
	Who        string    `json:"who"`
	Host       string    `json:"host"`
	Owner      string    `json:"owner"`
	LegalBasis string    `json:"legal_basis"`
	File       string    `json:"file"`
	Scope      string    `json:"scope"`          // the digest
	Base       string    `json:"base,omitempty"` // the digest of all that it says but its exclusions
	Position   Position  `json:"position"`
	// Probes are those of the run to the owner, in all its sittings; those for which
	// there is leave are counted until the end tells how many were sent.
	Probes   int64          `json:"probes,omitempty"`
	Excluded []netip.Prefix `json:"excluded,omitempty"` // of the beginning: what the numbering of targets leaves out
	Summary  *Summary       `json:"summary,omitempty"`
}

// OpenLog begins a run in the log. With a run to resume, the position is where
// that one may go on: behind all that it promised, so that no target is met
// twice, whatever ended it. The scope must be the same text.
func OpenLog(file string, s *Scope, resume string) (*RunLog, Position, error) {
	e := begins(s, ident.System().New(ident.Scan))
	if resume != "" {
		last, err := lastOfRun(file, resume)
		if err != nil {
			return nil, Position{}, err
		}
		if !last.goesOnBy(s) {
			return nil, Position{}, fault.New(fault.Conflict, "surface.log", "the run %s had another scope (%s); begin anew", resume, last.Scope)
		}
		e.Run = last.Run
		e.goOn(last)
	}
	return e.open(file, s)
}

// GoOn begins the run of a given name in the log, or goes on with it where it
// stands there under the same text; under another text its order is another one.
func GoOn(file string, s *Scope, run ident.ID) (*RunLog, Position, error) {
	e := begins(s, run)
	last, err := lastOfRun(file, string(run))
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, Position{}, err
	}
	if err == nil && last.goesOnBy(s) {
		e.goOn(last)
	}
	e.Probes = last.Probes // Whatever the order is, the owner has had them.
	return e.open(file, s)
}

// goesOnBy tells whether a run may go on where it was by a scope: the same, or one
// that only excludes more than when the targets were numbered.
func (e Entry) goesOnBy(s *Scope) bool {
	return e.Scope == s.digest || e.Base == s.base() && covers(s.Excluded, e.Excluded)
}

func (e *Entry) goOn(last Entry) {
	e.Position, e.Probes = last.Position, last.Probes
	if last.Base != "" {
		e.Excluded = last.Excluded
	}
}

func begins(s *Scope, run ident.ID) Entry {
	e := Entry{Run: run, What: "began", Who: who(), Owner: s.Owner, LegalBasis: s.LegalBasis, File: s.file, Scope: s.digest, Base: s.base(), Excluded: s.Excluded}
	e.Host, _ = os.Hostname() // A machine without a name is still a machine.
	return e
}

// open writes the entry as the log's next line.
func (e Entry) open(file string, s *Scope) (*RunLog, Position, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, Position{}, fault.As(fault.Unavailable, "surface.log", err, "the log of runs cannot be written: %v", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, Position{}, fault.As(fault.Unavailable, "surface.log", err, "the log of runs cannot be written: %v", err)
	}
	l := &RunLog{file: f, most: s.Caps.Owner, had: e.Probes, numbered: append([]netip.Prefix{}, e.Excluded...), entry: e}
	if err := l.write(); err != nil {
		_ = f.Close() // The first error is the one to tell.
		return nil, Position{}, err
	}
	l.entry.Excluded = nil // The beginning has said it.
	return l, e.Position, nil
}

// who began the run: the person behind sudo, when there is one.
func who() string {
	if s := os.Getenv("SUDO_USER"); s != "" {
		return s
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "uid " + os.Getenv("UID")
}

// Run is the run's identifier, by which it is resumed.
func (l *RunLog) Run() ident.ID { return l.entry.Run }

// Account has a run accounted for in the log: what it promises, what it may send,
// and by which text.
func (l *RunLog) Account(o *Options) {
	o.Numbered, o.Progress, o.Allow, o.Narrowed = l.numbered, l.Promise, l.Allow, l.Narrowed
}

// Promise writes down that positions are about to be sent. A run that cannot say
// so may not send.
func (l *RunLog) Promise(p Position) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry.What, l.entry.Position = "promised", p
	return l.write() == nil
}

// Allow writes down that more probes are about to be sent, as far as the owner's
// cap goes for all sittings of the run together.
func (l *RunLog) Allow(more int64) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if more = min(more, l.most-l.entry.Probes); more <= 0 {
		return 0, nil
	}
	l.entry.What = "allowed"
	l.entry.Probes += more
	return more, l.write()
}

// Narrowed writes down by which narrower text the run goes on.
func (l *RunLog) Narrowed(s *Scope) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry.What, l.entry.Scope = "narrowed", s.digest
	_ = l.write() // Who cannot write sends nothing more, and says so.
}

// End writes down what became of the run.
func (l *RunLog) End(s Summary) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entry.What, l.entry.Position, l.entry.Summary, l.entry.Probes = "ended", s.Position, &s, l.had+s.Probes
	return errors.Join(l.write(), l.file.Close())
}

func (l *RunLog) write() error {
	l.entry.At = time.Now().UTC()
	b, err := json.Marshal(l.entry)
	if err == nil {
		_, err = l.file.Write(append(b, '\n'))
	}
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		return fault.As(fault.Unavailable, "surface.log", err, "the log of runs cannot be written: %v", err)
	}
	return nil
}

// lastOfRun finds the newest line of a run. A line that a crash cut short is no
// line; the promise before it holds.
func lastOfRun(file, run string) (last Entry, err error) {
	f, err := os.Open(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return last, fault.As(fault.Unavailable, "surface.log", err, "the log of runs cannot be read: %v", err)
	}
	if err == nil {
		defer func() { _ = f.Close() }() // It was only read.
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, maxLine)
		for lines.Scan() {
			var e Entry
			if json.Unmarshal(lines.Bytes(), &e) == nil && string(e.Run) == run {
				if e.What != "began" {
					e.Excluded = last.Excluded
				}
				last = e
			}
		}
		if err := lines.Err(); err != nil {
			return last, fault.As(fault.Invalid, "surface.log", err, "the log of runs %s cannot be read: %v", file, err)
		}
	}
	if last.Run == "" {
		return last, fault.New(fault.NotFound, "surface.log", "there is no run %q in %s", run, file)
	}
	return last, nil
}
