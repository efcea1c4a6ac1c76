package main

import (
	"io"
	"net"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// sink drops everything that arrives on an interface, behind the taps and before
// the network stack: what a probe costs is then the sender's, and as little as
// possible the target's. It ends with its input.
func sink(name string, until io.Reader, out io.Writer) error {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	const drop = 2 // TC_ACT_SHOT; what resolves addresses must pass
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "Apache-2.0", Instructions: asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 16, asm.Word), // __sk_buff.protocol
		asm.Mov.Imm(asm.R0, drop),
		asm.JEq.Imm(asm.R2, 0x0008, "end"),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return().WithSymbol("end"),
	}})
	if err != nil {
		return err
	}
	l, err := link.AttachTCX(link.TCXOptions{Interface: i.Index, Program: p, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // The namespace goes, too.
	if _, err := io.WriteString(out, listening); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, until)
	return err
}
