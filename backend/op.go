package backend

import (
	"fmt"
)

// Op is one plain operation of a Program: a pointer to one of the structs of
// this package, whose fields are its operands and attributes. The set is closed;
// Kinds lists it. Real attributes are float64; a backend rounds them to its
// arithmetic.
type Op interface {
	// Kind is the name of the operation: the struct's name.
	Kind() string
	// Operands lists the operands that are present, outputs first. The pointers
	// lead into the Op, so that a compiler can move its operands.
	Operands() []Operand
	// Check is the shape rule: it reports an error unless types, shapes and
	// attributes fit together.
	Check() error
	// Cost counts the work of one execution of an Op that passes Check.
	Cost() Cost
}

// Access tells what an Op does to an operand.
type Access uint8

const (
	// Read operands are only read.
	Read Access = 1
	// Write operands are overwritten whole, whatever they held.
	Write Access = 2
	// Update operands are read and written: accumulated into, or changed in part.
	Update = Read | Write
)

// Reads reports whether the operand's former contents matter.
func (a Access) Reads() bool { return a&Read != 0 }

// Writes reports whether the operand is changed.
func (a Access) Writes() bool { return a&Write != 0 }

// Operand is one operand of an Op.
type Operand struct {
	Name   string // the field's name
	View   *View
	Access Access
	// InPlace marks an input whose bytes may be exactly those of the Op's first
	// output: each output element depends on the input element at its own place
	// alone. All other overlaps of an output are forbidden.
	InPlace bool
}

// Cost counts the work of an Op. FLOPs are nominal floating-point operations: a
// multiply-add is two, padded taps are counted, a transcendental function is
// one. Bytes is the least traffic: every operand's bytes once for each way it is
// accessed.
type Cost struct {
	FLOPs, Bytes int64
}

// Add returns the sum of two costs.
func (c Cost) Add(d Cost) Cost { return Cost{c.FLOPs + d.FLOPs, c.Bytes + d.Bytes} }

// cost is the Cost of op at the given number of FLOPs.
func cost(op Op, flops int) Cost {
	c := Cost{FLOPs: int64(flops)}
	for _, o := range op.Operands() {
		if o.Access.Reads() {
			c.Bytes += int64(o.View.Bytes())
		}
		if o.Access.Writes() {
			c.Bytes += int64(o.View.Bytes())
		}
	}
	return c
}

// operands collects the operands that are present.
type operands []Operand

func (s operands) out(name string, v *View) operands    { return s.add(name, v, Write, false) }
func (s operands) update(name string, v *View) operands { return s.add(name, v, Update, false) }
func (s operands) in(name string, v *View) operands     { return s.add(name, v, Read, false) }
func (s operands) inPlace(name string, v *View) operands {
	return s.add(name, v, Read, true)
}

// result is an output that is accumulated into where accumulate is set.
func (s operands) result(name string, v *View, accumulate bool) operands {
	if accumulate {
		return s.update(name, v)
	}
	return s.out(name, v)
}

func (s operands) add(name string, v *View, a Access, inPlace bool) operands {
	if !v.Present() {
		return s
	}
	return append(s, Operand{name, v, a, inPlace})
}

// checker gathers the first broken rule of an Op.
type checker struct {
	op  Op
	err error
}

func check(op Op) *checker { return &checker{op: op} }

func (c *checker) fail(sentinel error, format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("backend: %s: %w: %s", c.op.Kind(), sentinel, fmt.Sprintf(format, args...))
	}
}

// that fails with ErrShape unless ok.
func (c *checker) that(ok bool, format string, args ...any) {
	if !ok {
		c.fail(ErrShape, format, args...)
	}
}

// typed demands a present, valid operand of one of the types.
func (c *checker) typed(name string, v View, types ...DType) {
	if c.err != nil {
		return
	}
	if !v.Present() {
		c.fail(ErrShape, "operand %s is missing", name)
		return
	}
	if err := v.Shape.Validate(); err != nil {
		c.fail(err, "operand %s", name)
		return
	}
	for _, t := range types {
		if v.DType == t {
			return
		}
	}
	c.fail(ErrType, "operand %s is %v, expected %v", name, v.DType, types)
}

// float demands a float32 operand with the given number of axes (-1: any).
func (c *checker) float(name string, v View, axes int) {
	c.typed(name, v, Float32)
	c.axes(name, v, axes)
}

func (c *checker) axes(name string, v View, axes int) {
	if axes >= 0 {
		c.that(len(v.Shape) == axes, "%s %v has %d axes, expected %d", name, v.Shape, len(v.Shape), axes)
	}
}

// shaped demands a float32 operand of exactly this shape.
func (c *checker) shaped(name string, v View, s Shape) { c.shapedAs(name, v, Float32, s) }

func (c *checker) shapedAs(name string, v View, t DType, s Shape) {
	c.typed(name, v, t)
	c.that(v.Shape.Equal(s), "%s is %v, expected %v", name, v.Shape, s)
}

// optional is shaped for an operand that may be left out.
func (c *checker) optional(name string, v View, s Shape) {
	if v.Present() {
		c.shaped(name, v, s)
	}
}

// merge takes over the error of a shape rule.
func (c *checker) merge(err error) {
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("backend: %s: %w", c.op.Kind(), err)
	}
}
