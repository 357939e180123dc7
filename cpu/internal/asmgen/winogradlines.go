package main

import "github.com/mmcloughlin/avo/operand"

// points makes the transforms of lines. Their factors are kept in registers where there are enough, and are operands in memory elsewhere.
type points struct {
	*isa
	registers map[float64]vecOp // those of the function that is being written
	late      []func()          // writes what lies behind its end
}

func (k *points) square(x float64) float64 { return x * x }

// sum and product are those of the squares.
func (k *points) sum() float64     { return pointA*pointA + pointB*pointB }
func (k *points) product() float64 { return pointA * pointA * pointB * pointB }

// norm is the factor of the filters at ±x, the other points being ±y.
func (k *points) norm(x, y float64) float64 { return 1 / (2 * x * x * (x*x - y*y)) }

// prepare loads factors at the begin of a function.
func (k *points) prepare(factors ...float64) {
	clear(k.registers)
	if k.masked() {
		for _, x := range factors {
			k.registers[x] = k.load(k.float(x), nil)
		}
	}
}

func (k *points) factor(x float64) operand.Op {
	if r, ok := k.registers[x]; ok {
		return r
	}
	return k.float(x)
}

// notGreater is true for NaN.
const notGreater = 0x1a

// damp returns slope·v, or +0 if slope is 0, where x and y satisfy the predicate, v elsewhere: keep is unlessFlat(). It overwrites v.
func (k *points) damp(predicate uint64, x, y, v, slope, keep vecOp) vecOp {
	if !k.masked() {
		out, t := k.vector(), k.negative(v, slope, keep)
		k.c.VCMPPS(operand.Imm(predicate), y, x, out)
		k.c.VBLENDVPS(out, t, v, out)
		return out
	}
	some := k.c.K()
	k.c.VCMPPS(operand.Imm(predicate), y, x, some)
	k.c.VMULPS(slope, v, some, v)
	k.c.VANDPS(keep, v, some, v)
	return v
}

// line is a transform of one dimension. It computes a group of outputs at a time.
type line struct {
	inputs, outputs int
	groups          [][]int
	apply           func(group []int, in source, out func(i int, v vecOp))
}

// source gives the inputs of a line: take for a register that may be overwritten, look for one that may not.
type source struct{ take, look func(i int) vecOp }

// registers is the source of values that have further use.
func (k *points) copies(values []vecOp) source {
	return source{
		take: func(i int) vecOp { return k.copyOf(values[i]) },
		look: func(i int) vecOp { return values[i] },
	}
}

func (k *points) copyOf(v vecOp) vecOp {
	t := k.vector()
	k.c.VMOVAPS(v, t)
	return t
}

// add does v += x·factor, subtract v −= x·factor.
func (k *points) add(v vecOp, factor float64, x vecOp)      { k.c.VFMADD231PS(k.factor(factor), x, v) }
func (k *points) subtract(v vecOp, factor float64, x vecOp) { k.c.VFNMADD231PS(k.factor(factor), x, v) }

func (k *points) times(factor float64, x vecOp) vecOp {
	t := k.vector()
	k.c.VMULPS(k.factor(factor), x, t)
	return t
}

func (k *points) plus(x, y vecOp) vecOp {
	t := k.vector()
	k.c.VADDPS(y, x, t)
	return t
}

func (k *points) minus(x, y vecOp) vecOp {
	t := k.vector()
	k.c.VSUBPS(y, x, t)
	return t
}

// pair gives even ± x·odd, the values at ±x.
func (k *points) pair(i int, x float64, even, odd vecOp, out func(i int, v vecOp)) {
	v := k.copyOf(even)
	k.add(v, x, odd)
	out(i, v)
	k.subtract(even, x, odd)
	out(i+1, even)
}

// input is Bᵀ.
func (k *points) input(group []int, in source, out func(i int, v vecOp)) {
	switch group[0] {
	case 0, 5:
		first := group[0] / 5
		v := in.take(4 + first)
		k.subtract(v, k.sum(), in.look(2+first))
		k.add(v, k.product(), in.look(first))
		out(group[0], v)
	default:
		x, y := pointA, pointB
		if group[0] == 3 {
			x, y = y, x
		}
		even, odd := in.take(4), in.take(3)
		k.subtract(even, y*y, in.look(2))
		k.subtract(odd, y*y, in.look(1))
		k.pair(group[0], x, even, odd, out)
	}
}

// gradient is A.
func (k *points) gradient(group []int, in source, out func(i int, v vecOp)) {
	switch group[0] {
	case 0:
		out(0, in.take(0))
	case 5:
		out(5, in.take(3))
	default:
		x := pointA
		if group[0] == 3 {
			x = pointB
		}
		even, odd := in.take(0), in.take(1)
		k.add(even, x*x, in.look(2))
		k.add(odd, x*x, in.look(3))
		k.pair(group[0], x, even, odd, out)
	}
}

// output is Aᵀ.
func (k *points) output(group []int, in source, out func(i int, v vecOp)) {
	if group[0]%2 == 0 {
		a, b := k.plus(in.look(1), in.look(2)), k.plus(in.look(3), in.look(4))
		for _, i := range group {
			if i == 0 {
				v := k.plus(in.look(0), a)
				k.c.VADDPS(b, v, v)
				out(0, v)
				continue
			}
			v := k.times(pointA*pointA, a)
			k.add(v, pointB*pointB, b)
			out(2, v)
		}
		return
	}
	a, b := k.minus(in.look(1), in.look(2)), k.minus(in.look(3), in.look(4))
	for _, i := range group {
		if i == 1 {
			v := k.times(pointA, a)
			k.add(v, pointB, b)
			out(1, v)
			continue
		}
		v := in.take(5)
		k.add(v, pointA*pointA*pointA, a)
		k.add(v, pointB*pointB*pointB, b)
		out(3, v)
	}
}

// filters is G.
func (k *points) filters(group []int, in source, out func(i int, v vecOp)) {
	switch group[0] {
	case 0:
		out(0, k.times(1/k.product(), in.look(0)))
	case 5:
		out(5, in.take(2))
	default:
		x, y := pointA, pointB
		if group[0] == 3 {
			x, y = y, x
		}
		even := in.take(0)
		k.add(even, x*x, in.look(2))
		k.c.VMULPS(k.factor(k.norm(x, y)), even, even)
		k.pair(group[0], x*k.norm(x, y), even, in.look(1), out)
	}
}

// filterSums is Gᵀ.
func (k *points) filterSums(group []int, in source, out func(i int, v vecOp)) {
	na, nb := k.norm(pointA, pointB), k.norm(pointB, pointA)
	if group[0] == 1 {
		v := k.times(pointA*na, k.minus(in.look(1), in.look(2)))
		k.add(v, pointB*nb, k.minus(in.look(3), in.look(4)))
		out(1, v)
		return
	}
	a, b := k.times(na, k.plus(in.look(1), in.look(2))), k.times(nb, k.plus(in.look(3), in.look(4)))
	for _, i := range group {
		if i == 0 {
			v := k.plus(a, b)
			k.add(v, 1/k.product(), in.look(0))
			out(0, v)
			continue
		}
		v := in.take(5)
		k.add(v, pointA*pointA, a)
		k.add(v, pointB*pointB, b)
		out(2, v)
	}
}
