package syn

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
)

// filter lets the kernel hand over only what may be an answer: TCP to the source
// of the probes and its port, with SYN and ACK or with a reset. Everything else
// that the machine receives costs one run of these few instructions.
func filter(source netip.Addr, port uint16) ([]bpf.RawInstruction, error) {
	type check struct {
		load  bpf.Instruction
		value uint32
	}
	var checks []check
	tail := []bpf.Instruction{}
	if source.Is4() {
		b := source.As4()
		checks = []check{
			{bpf.LoadAbsolute{Off: 12, Size: 2}, etherIPv4},
			{bpf.LoadAbsolute{Off: 23, Size: 1}, tcp},
			{bpf.LoadAbsolute{Off: 30, Size: 4}, binary.BigEndian.Uint32(b[:])},
		}
		tail = append(tail, bpf.LoadMemShift{Off: ethLen}, bpf.LoadIndirect{Off: ethLen + 2, Size: 2})
	} else {
		b := source.As16()
		checks = []check{{bpf.LoadAbsolute{Off: 12, Size: 2}, etherIPv6}, {bpf.LoadAbsolute{Off: 20, Size: 1}, tcp}}
		for i := range 4 {
			checks = append(checks, check{bpf.LoadAbsolute{Off: uint32(38 + 4*i), Size: 4}, binary.BigEndian.Uint32(b[4*i:])})
		}
		tail = append(tail, bpf.LoadConstant{Dst: bpf.RegX, Val: 40}, bpf.LoadIndirect{Off: ethLen + 2, Size: 2})
	}
	tail = append(tail,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(port), SkipTrue: 5},
		bpf.LoadIndirect{Off: ethLen + 13, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: flagRST, SkipTrue: 2},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: flagSYN | flagACK},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: flagSYN | flagACK, SkipTrue: 1},
		bpf.RetConstant{Val: 128},
		bpf.RetConstant{Val: 0},
	)
	var all []bpf.Instruction
	for i, c := range checks {
		// A miss goes to the last instruction.
		after := 2*(len(checks)-i-1) + len(tail) - 1
		all = append(all, c.load, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: c.value, SkipTrue: uint8(after)})
	}
	return bpf.Assemble(append(all, tail...))
}
