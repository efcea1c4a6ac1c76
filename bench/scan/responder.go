package main

import (
	"encoding/json"
	"io"
	"net"
	"structs"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// listening is what a helper says first.
const listening = "listening\n"

// responded is what a responder counted, as its program keeps it.
type responded struct {
	_ structs.HostLayout

	Answered uint64
	First    uint64 // when the first probe came, and the last, in nanoseconds
	Last     uint64
}

func (r responded) perSecond() float64 {
	return float64(r.Answered-1) / (float64(r.Last-r.First) / 1e9)
}

// respond answers every SYN that arrives on an interface, as if each address were
// a machine: one in sixteen with an open port, the rest with a reset. It does so in
// the kernel, before the program that drops probes, because a process that answers
// would need as much of the two processors as the scanner that is measured. It
// shares no code with the scanner.
func respond(name string, until io.Reader, out io.Writer) error {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	counts, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 24, MaxEntries: 1})
	if err != nil {
		return err
	}
	defer func() { _ = counts.Close() }() // It was read.
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "Apache-2.0", Instructions: answering(i.Index, counts.FD())})
	if err != nil {
		return err
	}
	l, err := link.AttachTCX(link.TCXOptions{Interface: i.Index, Program: p, Attach: ebpf.AttachTCXIngress, Anchor: link.Head()})
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // The namespace goes, too.
	if _, err := io.WriteString(out, listening); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, until); err != nil {
		return err
	}
	var r responded
	if err := counts.Lookup(uint32(0), &r); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

// Where a frame of Ethernet, IPv4 without options and TCP has what is read and
// written, and where the stack has a copy of it: so that its addresses are even
// to four bytes.
const (
	frameEnd  = 54
	frameCopy = -62

	etherSource, etherType               = 6, 12
	ipVersion, ipProtocol                = 14, 23
	ipSource, ipTarget                   = 26, 30
	tcpSource, tcpTarget, tcpSeq, tcpAck = 34, 36, 38, 42
	tcpFlags, tcpSum                     = 46, 50
)

// The flags of a segment with the length of its header, as a little endian reads
// them.
const synFlags, openFlags, resetFlags = 0x0260, 0x1260, 0x1460

// answering is the program. What it does not answer is left to the next.
func answering(index, counts int) asm.Instructions {
	const next = -1 // TCX_NEXT
	at := func(off int) int16 { return int16(frameCopy + off) }
	load := func(r asm.Register, off int, s asm.Size) asm.Instruction { return asm.LoadMem(r, asm.RFP, at(off), s) }
	store := func(off int, r asm.Register, s asm.Size) asm.Instruction { return asm.StoreMem(asm.RFP, at(off), r, s) }
	swap := func(a, b int, s asm.Size) asm.Instructions {
		return asm.Instructions{load(asm.R1, a, s), load(asm.R2, b, s), store(a, asm.R2, s), store(b, asm.R1, s)}
	}
	frame := func(f asm.BuiltinFunc, flags ...asm.Instruction) asm.Instructions {
		return append(asm.Instructions{
			asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Imm(asm.R2, 0), asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, frameCopy), asm.Mov.Imm(asm.R4, frameEnd),
		}, append(flags, f.Call(), asm.JNE.Imm(asm.R0, 0, "next"))...)
	}
	sum := func(was, is asm.Register, size int32) asm.Instructions {
		return asm.Instructions{
			asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Imm(asm.R2, tcpSum), asm.Mov.Reg(asm.R3, was), asm.Mov.Reg(asm.R4, is), asm.Mov.Imm(asm.R5, size),
			asm.FnL4CsumReplace.Call(), asm.JNE.Imm(asm.R0, 0, "next"),
		}
	}
	p := asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}
	p = append(p, frame(asm.FnSkbLoadBytes)...)
	for _, is := range []struct {
		off   int
		size  asm.Size
		value int32
	}{{etherType, asm.Half, 0x0008}, {ipVersion, asm.Byte, 0x45}, {ipProtocol, asm.Byte, 6}, {tcpFlags, asm.Half, synFlags}} {
		p = append(p, load(asm.R1, is.off, is.size), asm.JNE.Imm(asm.R1, is.value, "next"))
	}
	p = append(p,
		// An address that ends in sixteenths is open.
		load(asm.R1, ipTarget+3, asm.Byte), asm.And.Imm(asm.R1, 15), asm.Mov.Imm(asm.R7, resetFlags), asm.JNE.Imm(asm.R1, 0, "reset"),
		asm.Mov.Imm(asm.R7, openFlags),
		store(tcpFlags, asm.R7, asm.Half).WithSymbol("reset"),
		// It acknowledges what came; its own number may be any, and is the same.
		load(asm.R8, tcpSeq, asm.Word), asm.HostTo(asm.BE, asm.R8, asm.Word), asm.Add.Imm32(asm.R8, 1), asm.HostTo(asm.BE, asm.R8, asm.Word),
		load(asm.R9, tcpAck, asm.Word), store(tcpAck, asm.R8, asm.Word))
	for off := range 3 {
		p = append(p, swap(2*off, etherSource+2*off, asm.Half)...)
	}
	p = append(append(p, swap(ipSource, ipTarget, asm.Word)...), swap(tcpSource, tcpTarget, asm.Half)...)
	p = append(p, frame(asm.FnSkbStoreBytes, asm.Mov.Imm(asm.R5, 0))...)
	// What changed places has the same sum.
	p = append(p, sum(asm.R9, asm.R8, 4)...)
	p = append(p, asm.Mov.Imm(asm.R9, synFlags))
	p = append(p, sum(asm.R9, asm.R7, 2)...)
	return append(append(p, count(counts)...),
		asm.Mov.Imm(asm.R1, int32(index)), asm.Mov.Imm(asm.R2, 0), asm.FnRedirect.Call(), asm.Return(),
		asm.Mov.Imm(asm.R0, next).WithSymbol("next"), asm.Return())
}

// count takes note of an answer, in the first element of an array.
func count(counts int) asm.Instructions {
	return asm.Instructions{
		asm.FnKtimeGetNs.Call(), asm.Mov.Reg(asm.R7, asm.R0),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4), asm.LoadMapPtr(asm.R1, counts),
		asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "next"),
		asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.StoreMem(asm.R0, 16, asm.R7, asm.DWord),
		asm.LoadMem(asm.R1, asm.R0, 8, asm.DWord), asm.JNE.Imm(asm.R1, 0, "counted"),
		asm.StoreMem(asm.R0, 8, asm.R7, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("counted"),
	}
}
