package ledgertest

import (
	"bufio"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestServerEndsWithItsTestBinary kills a test binary that runs a server, as
// the kernel or an impatient person would.
func TestServerEndsWithItsTestBinary(t *testing.T) {
	if os.Getenv("LEDGERTEST_CHILD") != "" {
		s, err := server()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("\n" + s.dir + "\n")
		select {}
	}
	Postgres(t) // Skips where there is none.
	c := exec.Command(os.Args[0], "-test.run=^TestServerEndsWithItsTestBinary$")
	c.Env = append(os.Environ(), "LEDGERTEST_CHILD=1")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // No child outlives a parent that failed.
	runtime.LockOSThread()                                           // The signal follows the thread that started it.
	defer runtime.UnlockOSThread()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	dir := ""
	for dir == "" && lines.Scan() {
		if _, err := os.Stat(lines.Text()); err == nil {
			dir = lines.Text()
		}
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // It was killed.
	if dir == "" {
		t.Fatal("the child started no server")
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server's folder %s is still there", dir)
		}
	}
}
