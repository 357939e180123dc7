package main

import "fmt"

// word writes an instruction that Go's assembler does not know, with its name in the notation of the architecture's manual, which a test assembles.
func (n *neon) word(code uint32, format string, registers ...vreg) {
	numbers := make([]any, len(registers))
	for i, r := range registers {
		numbers[i] = int(r)
	}
	n.op("WORD", fmt.Sprintf("$0x%08x // %s", code, fmt.Sprintf(format, numbers...)))
}

// same writes an instruction on whole registers: d = x ∘ y.
func (n *neon) same(code uint32, name string, d, x, y vreg) {
	n.word(code|uint32(y)<<16|uint32(x)<<5|uint32(d), name+" v%d.4s, v%d.4s, v%d.4s", d, x, y)
}

// unary writes an instruction on a whole register; what follows the operands is part of the format.
func (n *neon) unary(code uint32, name, rest string, d, x vreg) {
	n.word(code|uint32(x)<<5|uint32(d), name+" v%d.4s, v%d.4s"+rest, d, x)
}

func (n *neon) add(d, x, y vreg)  { n.same(0x4e20d400, "fadd", d, x, y) }  // d = x + y
func (n *neon) sub(d, x, y vreg)  { n.same(0x4ea0d400, "fsub", d, x, y) }  // d = x − y
func (n *neon) mul(d, x, y vreg)  { n.same(0x6e20dc00, "fmul", d, x, y) }  // d = x·y
func (n *neon) div(d, x, y vreg)  { n.same(0x6e20fc00, "fdiv", d, x, y) }  // d = x/y
func (n *neon) max(d, x, y vreg)  { n.same(0x4e20f400, "fmax", d, x, y) }  // d = max(x, y), NaN if there is one
func (n *neon) min(d, x, y vreg)  { n.same(0x4ea0f400, "fmin", d, x, y) }  // d = min(x, y), NaN if there is one
func (n *neon) pair(d, x, y vreg) { n.same(0x6e20d400, "faddp", d, x, y) } // d = x₀+x₁, x₂+x₃, y₀+y₁, y₂+y₃

// Comparisons and bits: d is ones where it holds, zeros elsewhere.

func (n *neon) atLeast(d, x, y vreg) { n.same(0x6e20e400, "fcmge", d, x, y) } // x ≥ y
func (n *neon) equals(d, x, y vreg)  { n.same(0x4e20e400, "fcmeq", d, x, y) } // x = y
func (n *neon) greater(d, x, y vreg) { n.same(0x6ea0e400, "fcmgt", d, x, y) } // x > y

func (n *neon) positive(d, x vreg) { n.unary(0x4ea0c800, "fcmgt", ", #0.0", d, x) } // x > 0
func (n *neon) negative(d, x vreg) { n.unary(0x4ea0e800, "fcmlt", ", #0.0", d, x) } // x < 0
func (n *neon) atMost0(d, x vreg)  { n.unary(0x6ea0d800, "fcmle", ", #0.0", d, x) } // x ≤ 0
func (n *neon) isZero(d, x vreg)   { n.unary(0x4ea0d800, "fcmeq", ", #0.0", d, x) } // x = 0

// notLess compares integers: x ≥ y.
func (n *neon) notLess(d, x, y vreg) { n.same(0x4ea03c00, "cmge", d, x, y) }

// Numbers.

func (n *neon) sqrt(d, x vreg)    { n.unary(0x6ea1f800, "fsqrt", "", d, x) }  // d = √x
func (n *neon) nearest(d, x vreg) { n.unary(0x4e21a800, "fcvtns", "", d, x) } // d = the integer nearest to x, 0 for NaN
func (n *neon) whole(d, x vreg)   { n.unary(0x4e21d800, "scvtf", "", d, x) }  // d = the integer x as a float32

// shiftRight writes d = ⌊x/2ᵏ⌋, of integers.
func (n *neon) shiftRight(d, x vreg, k int) {
	n.unary(0x4f000400|uint32(64-k)<<16, "sshr", fmt.Sprintf(", #%d", k), d, x)
}

// andNot writes d = x ∧ ¬y.
func (n *neon) andNot(d, x, y vreg) {
	n.word(0x4e601c00|uint32(y)<<16|uint32(x)<<5|uint32(d), "bic v%d.16b, v%d.16b, v%d.16b", d, x, y)
}

// mulLong writes the products of 32-bit lanes as 64-bit lanes: of the lower two to low, of the upper two to high.
func (n *neon) mulLong(low, high, x, y vreg) {
	n.word(0x2ea0c000|uint32(y)<<16|uint32(x)<<5|uint32(low), "umull v%d.2d, v%d.2s, v%d.2s", low, x, y)
	n.word(0x6ea0c000|uint32(y)<<16|uint32(x)<<5|uint32(high), "umull2 v%d.2d, v%d.4s, v%d.4s", high, x, y)
}

// pairLowest writes d₀ = x₀ + x₁.
func (n *neon) pairLowest(d, x vreg) {
	n.word(0x7e30d800|uint32(x)<<5|uint32(d), "faddp s%d, v%d.2s", d, x)
}

// greatest writes d₀ = max(x₀, x₁, x₂, x₃), NaN if there is one.
func (n *neon) greatest(d, x vreg) {
	n.word(0x6e30f800|uint32(x)<<5|uint32(d), "fmaxv s%d, v%d.4s", d, x)
}

// mulAddLane writes d += x·yₗ.
func (n *neon) mulAddLane(d, x, y vreg, lane int) {
	l := uint32(lane)
	n.word(0x4f801000|(l&1)<<21|uint32(y)<<16|(l>>1)<<11|uint32(x)<<5|uint32(d), fmt.Sprintf("fmla v%%d.4s, v%%d.4s, v%%d.s[%d]", lane), d, x, y)
}

// loadAt reads the first lanes of a register from base + offset: four, two or one.
func (n *neon) loadAt(v vreg, base, offset greg, lanes int) {
	if lanes == neonLanes {
		n.moveAt(0x3ce06800, "ldr", v, base, offset)
	} else {
		n.op(moveLanes[lanes], fmt.Sprintf("(%s)(%s)", base, offset), v.float())
	}
}

// storeAt writes a whole register to base + offset.
func (n *neon) storeAt(v vreg, base, offset greg) { n.moveAt(0x3ca06800, "str", v, base, offset) }

func (n *neon) moveAt(code uint32, name string, v vreg, base, offset greg) {
	n.op("WORD", fmt.Sprintf("$0x%08x // %s q%d, [x%d, x%d]", code|uint32(offset)<<16|uint32(base)<<5|uint32(v), name, int(v), int(base), int(offset)))
}

// The rest is known to Go's assembler.

func (n *neon) mulAdd(d, x, y vreg) { n.op("VFMLA", y, x, d) } // d += x·y
func (n *neon) mulSub(d, x, y vreg) { n.op("VFMLS", y, x, d) } // d −= x·y

func (n *neon) and(d, x, y vreg) { n.op("VAND", y.bytes(), x.bytes(), d.bytes()) }
func (n *neon) or(d, x, y vreg)  { n.op("VORR", y.bytes(), x.bytes(), d.bytes()) }
func (n *neon) xor(d, x, y vreg) { n.op("VEOR", y.bytes(), x.bytes(), d.bytes()) }

// insertElse writes bits of x into d where those of mask are not set.
func (n *neon) insertElse(d, x, mask vreg) { n.op("VBIF", mask.bytes(), x.bytes(), d.bytes()) }

// insert writes bits of x into d where those of mask are set.
func (n *neon) insert(d, x, mask vreg) { n.op("VBIT", mask.bytes(), x.bytes(), d.bytes()) }

// transpose exchanges rows and columns of four registers.
func (n *neon) transpose(v []vreg) {
	n.release(func() {
		pairs := []vreg{n.vector(), n.vector(), n.vector(), n.vector()}
		for i := 0; i < 4; i += 2 {
			n.op("VTRN1", v[i+1], v[i], pairs[i])
			n.op("VTRN2", v[i+1], v[i], pairs[i+1])
		}
		for j := range 2 {
			n.op("VTRN1", double(pairs[2+j]), double(pairs[j]), double(v[j]))
			n.op("VTRN2", double(pairs[2+j]), double(pairs[j]), double(v[2+j]))
		}
	})
}
