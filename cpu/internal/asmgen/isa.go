package main

import (
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa hides what differs between AVX2 and AVX-512 in a loop over vectors: the registers, how the lanes of a tail are masked, and how a lane is chosen.
type isa struct {
	c      *build.Context
	suffix string // of function names
	lanes  int    // float32 in a register
	opmask bool   // AVX-512 has registers for masks
	vector func() vecOp

	iota      operand.Mem // 0, 1, 2, …
	constants map[uint32]operand.Mem
}

func newAVX512(c *build.Context) *isa {
	return &isa{c: c, suffix: "AVX512", lanes: 16, opmask: true, vector: c.ZMM, constants: map[uint32]operand.Mem{}}
}

func newAVX2(c *build.Context) *isa {
	s := &isa{c: c, suffix: "AVX2", lanes: 8, vector: c.YMM, constants: map[uint32]operand.Mem{}}
	s.declareIota()
	return s
}

// declareIota declares 0, 1, 2, …, which AVX2 always needs, for masks.
func (s *isa) declareIota() {
	s.iota = s.c.StaticGlobal("iota")
	s.c.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := range s.lanes {
		s.c.AddDatum(4*i, operand.U32(i))
	}
}

// masked reports whether this is AVX-512, which has mask registers.
func (s *isa) masked() bool { return s.opmask }

// narrow returns the same instruction set with registers of eight lanes.
func (s *isa) narrow() *isa {
	n := *s
	n.lanes, n.vector = 8, s.c.YMM
	return &n
}

// float declares a constant that fills a register, for use as a memory operand. All constants are declared before the first function.
func (s *isa) float(x float64) operand.Mem { return s.bits(math.Float32bits(float32(x))) }

func (s *isa) bits(x uint32) operand.Mem {
	if m, ok := s.constants[x]; ok {
		return m
	}
	m := s.c.StaticGlobal("c" + hex(x))
	s.c.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := range s.lanes {
		s.c.AddDatum(4*i, operand.U32(x))
	}
	s.constants[x] = m
	return m
}

func hex(x uint32) string {
	const digits = "0123456789abcdef"
	var s [8]byte
	for i := range s {
		s[7-i] = digits[x&15]
		x >>= 4
	}
	return string(s[:])
}

// zero returns a register of zeros.
func (s *isa) zero() vecOp {
	v := s.vector()
	s.c.VXORPS(v, v, v)
	return v
}

// scalar returns a register whose lanes all hold the named parameter.
func (s *isa) scalar(name string) vecOp {
	v := s.vector()
	s.c.VBROADCASTSS(s.address(name), v)
	return v
}

func (s *isa) address(name string) operand.Mem {
	p, err := s.c.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return p.Addr
}

// unlessFlat returns a register of ones, or of zeros if the parameter slope is zero.
func (s *isa) unlessFlat() vecOp {
	bits := s.c.GP32()
	s.c.MOVL(s.address("slope"), bits)
	s.c.SHLL(operand.Imm(1), bits) // drops the sign
	s.c.NEGL(bits)                 // carries unless it is zero
	s.c.SBBL(bits, bits)
	v := s.vector()
	s.c.VMOVD(bits, asX(v))
	s.c.VPBROADCASTD(asX(v), v)
	return v
}

func asX(v vecOp) reg.Register { return v.(interface{ AsX() reg.Register }).AsX() }

// Predicates of comparisons; only unordered and those with not are true for NaN.
const (
	equalTo     = 0x00
	less        = 0x11
	lessOrEqual = 0x12
	greater     = 0x1e
	ordered     = 0x07

	unordered         = 0x03
	notEqualTo        = 0x04
	notLess           = 0x15
	notLessOrEqual    = 0x16
	notGreaterOrEqual = 0x19
)

// choose returns yes where x and y satisfy the predicate, no elsewhere.
func (s *isa) choose(predicate uint64, x, y, yes, no vecOp) vecOp {
	out := s.vector()
	if s.masked() {
		k := s.c.K()
		s.c.VCMPPS(operand.Imm(predicate), y, x, k)
		s.c.VBLENDMPS(yes, no, k, out)
		return out
	}
	s.c.VCMPPS(operand.Imm(predicate), y, x, out)
	s.c.VBLENDVPS(out, yes, no, out)
	return out
}

// mask is the first lanes of a register: all of them if it is nil.
type mask struct {
	register reg.OpmaskVirtual // AVX-512
	vector   vecOp             // AVX2
}

// first returns the mask of the first n lanes, n ≤ lanes in a general register.
func (s *isa) first(n reg.Register) *mask {
	if s.masked() {
		bits, k := s.c.GP64(), s.c.K()
		s.c.MOVQ(operand.I64(-1), bits)
		s.c.BZHIQ(n, bits, bits)
		s.c.KMOVW(bits.As32(), k)
		return &mask{register: k}
	}
	v := s.vector()
	s.c.VMOVQ(n, asX(v))
	s.c.VPBROADCASTD(asX(v), v)
	s.c.VPCMPGTD(s.iota, v, v)
	return &mask{vector: v}
}

// upTo returns the mask of the first n lanes, or all if there are no more.
func (s *isa) upTo(n reg.Register) *mask {
	most := s.c.GP64()
	s.c.MOVQ(operand.U32(s.lanes), most)
	s.c.CMPQ(n, most)
	s.c.CMOVQLT(n, most)
	return s.first(most)
}

// load reads the lanes of the mask, zeros elsewhere.
func (s *isa) load(at operand.Mem, m *mask) vecOp {
	v := s.vector()
	s.loadTo(v, at, m)
	return v
}

// loadTo is load to a given register.
func (s *isa) loadTo(v vecOp, at operand.Mem, m *mask) {
	switch {
	case m == nil:
		s.c.VMOVUPS(at, v)
	case s.masked():
		s.c.VMOVUPS_Z(at, m.register, v)
	default:
		s.c.VMASKMOVPS(at, m.vector, v)
	}
}

// store writes the lanes of the mask.
func (s *isa) store(v vecOp, at operand.Mem, m *mask) {
	switch {
	case m == nil:
		s.c.VMOVUPS(v, at)
	case s.masked():
		s.c.VMOVUPS(v, m.register, at)
	default:
		s.c.VMASKMOVPS(v, m.vector, at)
	}
}

// begin starts a function that package vec calls name.
func (s *isa) begin(name, signature, doc string) {
	s.c.Function(name + s.suffix)
	s.c.Attributes(attr.NOSPLIT)
	s.c.Pragma("noescape")
	s.c.SignatureExpr(signature)
	s.c.Doc(name + s.suffix + " does " + doc)
}

func (s *isa) end() {
	s.c.VZEROUPPER()
	s.c.RET()
}

// elements writes a function that treats each element of slices alike, a register of them at a time. The body gets a register loaded from each slice, and
// returns one to store in each of those at the front.
func (s *isa) elements(name, signature, doc string, slices []string, setup func() func(in []vecOp) []vecOp) {
	s.begin(name, signature, doc)
	n := s.c.Load(s.c.Param(slices[0]).Len(), s.c.GP64())
	bases := make([]reg.Register, len(slices))
	for i, slice := range slices {
		bases[i] = s.c.Load(s.c.Param(slice).Base(), s.c.GP64())
	}
	body := setup()
	at := s.c.GP64()
	step := func(m *mask) {
		in := make([]vecOp, len(slices))
		for i, base := range bases {
			if i > 0 || !overwritten(slices[0]) {
				in[i] = s.load(operand.Mem{Base: base, Index: at, Scale: 4}, m)
			}
		}
		for i, v := range body(in) {
			s.store(v, operand.Mem{Base: bases[i], Index: at, Scale: 4}, m)
		}
	}
	lanes := operand.Imm(uint64(s.lanes))
	s.c.XORQ(at, at)
	s.c.SUBQ(lanes, n)
	s.c.JL(operand.LabelRef("tail"))
	s.c.Label("loop")
	step(nil)
	s.c.ADDQ(lanes, at)
	s.c.SUBQ(lanes, n)
	s.c.JGE(operand.LabelRef("loop"))
	s.c.Label("tail")
	s.c.ADDQ(lanes, n)
	s.c.JZ(operand.LabelRef("done"))
	step(s.first(n))
	s.c.Label("done")
	s.end()
}

// overwritten reports whether the slice is one that is written without being read.
func overwritten(slice string) bool { return slice == "dst" || slice == "dx" }
