package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/mmcloughlin/avo/gotypes"
)

// neon writes Go assembly for arm64, which avo does not know. Go's assembler lacks most floating-point vector instructions: neonwords.go encodes those.
// Arguments of an instruction's method are in the order of its formula, destination first; those of op are in that of Go's assembler, destination last.
type neon struct {
	text, stubs bytes.Buffer

	signature *gotypes.Signature
	lines     []string // of the function at hand
	vectors   int      // registers taken
	general   int
}

const neonLanes = 4 // float32 in a register

// vreg is a vector register.
type vreg int

func (v vreg) String() string { return fmt.Sprintf("V%d.S4", int(v)) }

// bytes names the register in bitwise instructions.
func (v vreg) bytes() string { return fmt.Sprintf("V%d.B16", int(v)) }

// float names the lowest 128, 64 or 32 bits of the register, as the instruction has it.
func (v vreg) float() string { return fmt.Sprintf("F%d", int(v)) }

// greg is a general register.
type greg int

func (r greg) String() string { return fmt.Sprintf("R%d", int(r)) }

// at is the memory at a number of bytes from where the register points to.
func (r greg) at(bytes int) string { return fmt.Sprintf("%d(R%d)", bytes, int(r)) }

// shifted is the register times 2ᵏ, as an operand.
func (r greg) shifted(k int) string { return fmt.Sprintf("%s<<%d", r, k) }

// vector takes a vector register.
func (n *neon) vector() vreg {
	if n.vectors == 32 {
		panic("neon: out of vector registers")
	}
	n.vectors++
	return vreg(n.vectors - 1)
}

// vectorsOf takes some vector registers.
func (n *neon) vectorsOf(count int) []vreg {
	all := make([]vreg, count)
	for i := range all {
		all[i] = n.vector()
	}
	return all
}

// register takes a general register. R18 belongs to the platform, R26 and above to Go.
func (n *neon) register() greg {
	if n.general == 18 {
		n.general++
	}
	if n.general == 26 {
		panic("neon: out of general registers")
	}
	n.general++
	return greg(n.general - 1)
}

// registers takes some general registers.
func (n *neon) registers(count int) []greg {
	all := make([]greg, count)
	for i := range all {
		all[i] = n.register()
	}
	return all
}

// release gives back the registers that f takes.
func (n *neon) release(f func()) {
	vectors, general := n.vectors, n.general
	f()
	n.vectors, n.general = vectors, general
}

// op writes an instruction of Go's assembler.
func (n *neon) op(mnemonic string, operands ...any) {
	words := make([]string, len(operands))
	for i, o := range operands {
		words[i] = fmt.Sprint(o)
		if c, ok := o.(int); ok {
			words[i] = fmt.Sprintf("$%d", c)
		}
	}
	n.lines = append(n.lines, strings.TrimRight(fmt.Sprintf("\t%-7s %s", mnemonic, strings.Join(words, ", ")), " "))
}

func (n *neon) label(name string) { n.lines = append(n.lines, name+":") }

// interleaved writes independent pieces of code that take the same number of instructions, one instruction of each at a time, so that processors that do not
// reorder have something to do while they wait.
func (n *neon) interleaved(pieces int, piece func(i int)) {
	n.release(func() {
		before := n.lines
		all := make([][]string, pieces)
		for i := range all {
			n.lines = nil
			piece(i)
			all[i] = n.lines
		}
		n.lines = before
		for at := range all[0] {
			for _, lines := range all {
				n.lines = append(n.lines, lines[at])
			}
		}
	})
}

// begin starts a function without a frame.
func (n *neon) begin(name, signature, doc string) {
	s, err := gotypes.ParseSignature(signature)
	if err != nil {
		panic(err)
	}
	n.signature, n.vectors, n.general = s, 0, 0
	fmt.Fprintf(&n.stubs, "\n// %s does %s\n//\n//go:noescape\nfunc %s%s\n", name, doc, name, s)
	fmt.Fprintf(&n.text, "\n// func %s%s\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", name, s, name, s.Bytes())
}

// end returns, and ends the function.
func (n *neon) end() {
	n.op("RET")
	n.flush()
}

// flush ends the function, whose last instruction has been written.
func (n *neon) flush() {
	for _, line := range n.lines {
		n.text.WriteString(line + "\n")
	}
	n.lines = nil
}

func (n *neon) address(c gotypes.Component) string {
	p, err := c.Resolve()
	if err != nil {
		panic(err)
	}
	return p.Addr.Asm()
}

// base returns a register with the address of the first element of a slice.
func (n *neon) base(slice string) greg {
	r := n.register()
	n.op("MOVD", n.address(n.signature.Params().Lookup(slice).Base()), r)
	return r
}

// length returns a register with the length of a slice.
func (n *neon) length(slice string) greg {
	r := n.register()
	n.op("MOVD", n.address(n.signature.Params().Lookup(slice).Len()), r)
	return r
}

// integer returns a register with a parameter of type int, or with a pointer.
func (n *neon) integer(name string) greg {
	r := n.register()
	n.op("MOVD", n.parameter(name), r)
	return r
}

func (n *neon) parameter(name string) string { return n.address(n.signature.Params().Lookup(name)) }

// scalar returns a register whose lanes all hold a parameter of type float32.
func (n *neon) scalar(name string) vreg {
	v := n.vector()
	n.op("FMOVS", n.parameter(name), v.float())
	n.op("VDUP", fmt.Sprintf("V%d.S[0]", int(v)), v)
	return v
}

// float returns a register whose lanes all hold a constant.
func (n *neon) float(x float64) vreg { return n.constant(math.Float32bits(float32(x))) }

func (n *neon) constant(bits uint32) vreg {
	v := n.vector()
	n.release(func() {
		r := n.register()
		n.op("MOVD", fmt.Sprintf("$0x%08x", bits), r)
		n.op("VDUP", r, v)
	})
	return v
}

// zero returns a register of zeros.
func (n *neon) zero() vreg {
	v := n.vector()
	n.clear(v)
	return v
}

func (n *neon) clear(v vreg) { n.op("VEOR", v.bytes(), v.bytes(), v.bytes()) }

func (n *neon) move(d, x vreg) { n.op("VMOV", x.bytes(), d.bytes()) }

// moveLanes maps how many lanes are loaded or stored at once to the instruction. Lanes beyond are zero after a load.
var moveLanes = map[int]string{4: "FMOVQ", 2: "FMOVD", 1: "FMOVS"}

// load reads the first lanes of a register: four, two or one.
func (n *neon) load(v vreg, at string, lanes int) { n.op(moveLanes[lanes], at, v.float()) }

// loadRepeated reads the first lanes of a register, as load does, and repeats them in the rest.
func (n *neon) loadRepeated(v vreg, base greg, bytes, lanes int) {
	switch lanes {
	case neonLanes:
		n.load(v, base.at(bytes), lanes)
	case 2:
		n.op("VLD1R", fmt.Sprintf("(%s)", base), fmt.Sprintf("[V%d.D2]", int(v)))
	case 1:
		n.op("VLD1R", fmt.Sprintf("(%s)", base), fmt.Sprintf("[%s]", v))
	}
}

// keep zeroes all but the first lanes of a register.
func (n *neon) keep(v vreg, lanes int) {
	if lanes < neonLanes {
		n.op(moveLanes[lanes], v.float(), v.float())
	}
}

// store writes the first lanes of a register: four, two or one.
func (n *neon) store(v vreg, at string, lanes int) { n.op(moveLanes[lanes], v.float(), at) }

// elements writes a function that treats each element of slices alike, some registers of them at a time. The body gets a register loaded from each slice,
// and returns one to store in each of those at the front.
func (n *neon) elements(name, signature, doc string, slices []string, unroll int, setup func() func(in []vreg) []vreg) {
	n.begin(name+"NEON", signature, doc)
	count := n.length(slices[0])
	bases := make([]greg, len(slices))
	for i, slice := range slices {
		bases[i] = n.base(slice)
	}
	body := setup()
	step := func(registers, lanes int) {
		n.interleaved(registers, func(r int) {
			in := make([]vreg, len(slices))
			for i, base := range bases {
				if i > 0 || !overwritten(slices[0]) {
					in[i] = n.vector()
					n.load(in[i], base.at(4*lanes*r), lanes)
				}
			}
			for i, v := range body(in) {
				n.store(v, bases[i].at(4*lanes*r), lanes)
			}
		})
		for _, base := range bases {
			n.op("ADD", 4*lanes*registers, base)
		}
	}
	n.countdown(count, unroll, "", func(registers, lanes int, _ string) { step(registers, lanes) })
	n.end()
}

// countdown writes loops over count elements: unroll registers at a time, then one, then two lanes and one. The body gets how many registers and
// lanes, and a prefix for its labels. Labels are unique within a function by the prefix given.
func (n *neon) countdown(count greg, unroll int, prefix string, body func(registers, lanes int, prefix string)) {
	loop := func(registers int, next string) {
		label := fmt.Sprintf("%sloop%d", prefix, registers*neonLanes)
		n.op("SUBS", registers*neonLanes, count)
		n.op("BLT", next)
		n.label(label)
		body(registers, neonLanes, fmt.Sprintf("%sby%d_", prefix, registers*neonLanes))
		n.op("SUBS", registers*neonLanes, count)
		n.op("BGE", label)
		n.label(next)
		n.op("ADD", registers*neonLanes, count)
	}
	if unroll > 1 {
		loop(unroll, prefix+"rest")
	}
	loop(1, prefix+"tail")
	n.op("TBZ", 1, count, prefix+"tail1")
	body(1, 2, prefix+"by2_")
	n.label(prefix + "tail1")
	n.op("TBZ", 0, count, prefix+"done")
	body(1, 1, prefix+"by1_")
	n.label(prefix + "done")
}

// generateNEON writes neon_arm64.s and neon_stubs_arm64.go of a package.
func generateNEON(dir, name string, fill func(*neon)) error {
	const header = "// Code generated by asmgen. DO NOT EDIT.\n\n//go:build arm64 && !noasm\n\n"
	n := &neon{}
	fill(n)
	for file, text := range map[string]string{
		"neon_arm64.s":        header + "#include \"textflag.h\"\n" + n.text.String(),
		"neon_stubs_arm64.go": header + "package " + name + "\n" + n.stubs.String(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name, file), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
