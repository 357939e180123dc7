package backend

import (
	"fmt"
	"math"
)

// Func is a scalar function of the Unary Op. α is the Op's Alpha.
type Func uint8

// The unary functions. Those from Identity to ELU are the activations of the
// lecture ("What Is σ?"): their derivative is computed from their output alone,
// so that they can be fused into the Op before and their derivative into the
// gradient Op behind.
const (
	Identity   Func = iota // x
	Sigmoid                // 1/(1+e^−x)
	Tanh                   // tanh x
	ReLU                   // max(0, x)
	LeakyReLU              // x if x > 0, else α·x, with 0 ≤ α
	ELU                    // x if x > 0, else α·(e^x − 1), with 0 ≤ α
	Neg                    // −x
	Abs                    // |x|
	Square                 // x²
	Sqrt                   // √x
	Rsqrt                  // 1/√x
	Reciprocal             // 1/x
	Exp                    // e^x
	Log                    // ln x
	Sin                    // sin x
	Cos                    // cos x
	Sign                   // −1, 0 or 1; the derivative is 0
	Floor                  // ⌊x⌋; the derivative is 0
	Softplus               // ln(1+e^x), computed without overflow
	Scale                  // α·x
	Offset                 // x + α
	Power                  // x^α
	funcCount
)

// FuncRule is the row of the function table for one Func: the definition that
// every backend is held to.
type FuncRule struct {
	Name string
	// Value is f(x).
	Value func(x, alpha float64) float64
	// Derivative is f′ at x, given y = f(x) too. Only the argument that NeedsX or
	// NeedsY names may be relied on.
	Derivative func(x, y, alpha float64) float64
	// NeedsX and NeedsY tell what Derivative reads, and so what has to be kept
	// for the backward pass.
	NeedsX, NeedsY bool
	// Activation marks a function that may be fused.
	Activation bool
}

func one(x, y, alpha float64) float64 { return 1 }

func zero(x, y, alpha float64) float64 { return 0 }

var funcRules = [funcCount]FuncRule{
	Identity: {Name: "Identity", Activation: true,
		Value: func(x, _ float64) float64 { return x }, Derivative: one},
	Sigmoid: {Name: "Sigmoid", NeedsY: true, Activation: true,
		Value:      func(x, _ float64) float64 { return 1 / (1 + math.Exp(-x)) },
		Derivative: func(_, y, _ float64) float64 { return y * (1 - y) }},
	Tanh: {Name: "Tanh", NeedsY: true, Activation: true,
		Value:      func(x, _ float64) float64 { return math.Tanh(x) },
		Derivative: func(_, y, _ float64) float64 { return 1 - y*y }},
	ReLU: {Name: "ReLU", NeedsY: true, Activation: true,
		Value:      func(x, _ float64) float64 { return leaky(x, 0) },
		Derivative: func(_, y, _ float64) float64 { return step(y, 0) }},
	LeakyReLU: {Name: "LeakyReLU", NeedsY: true, Activation: true,
		Value:      leaky,
		Derivative: func(_, y, alpha float64) float64 { return step(y, alpha) }},
	ELU: {Name: "ELU", NeedsY: true, Activation: true,
		Value: func(x, alpha float64) float64 {
			if x > 0 || math.IsNaN(x) {
				return x
			}
			return alpha * math.Expm1(x)
		},
		Derivative: func(_, y, alpha float64) float64 {
			if y > 0 {
				return 1
			}
			return y + alpha
		}},
	Neg: {Name: "Neg",
		Value:      func(x, _ float64) float64 { return -x },
		Derivative: func(_, _, _ float64) float64 { return -1 }},
	Abs: {Name: "Abs", NeedsX: true,
		Value:      func(x, _ float64) float64 { return math.Abs(x) },
		Derivative: func(x, _, _ float64) float64 { return sign(x, 0) }},
	Square: {Name: "Square", NeedsX: true,
		Value:      func(x, _ float64) float64 { return x * x },
		Derivative: func(x, _, _ float64) float64 { return 2 * x }},
	Sqrt: {Name: "Sqrt", NeedsY: true,
		Value:      func(x, _ float64) float64 { return math.Sqrt(x) },
		Derivative: func(_, y, _ float64) float64 { return 0.5 / y }},
	Rsqrt: {Name: "Rsqrt", NeedsY: true,
		Value:      func(x, _ float64) float64 { return 1 / math.Sqrt(x) },
		Derivative: func(_, y, _ float64) float64 { return -0.5 * y * y * y }},
	Reciprocal: {Name: "Reciprocal", NeedsY: true,
		Value:      func(x, _ float64) float64 { return 1 / x },
		Derivative: func(_, y, _ float64) float64 { return -y * y }},
	Exp: {Name: "Exp", NeedsY: true,
		Value:      func(x, _ float64) float64 { return math.Exp(x) },
		Derivative: func(_, y, _ float64) float64 { return y }},
	Log: {Name: "Log", NeedsX: true,
		Value:      func(x, _ float64) float64 { return math.Log(x) },
		Derivative: func(x, _, _ float64) float64 { return 1 / x }},
	Sin: {Name: "Sin", NeedsX: true,
		Value:      func(x, _ float64) float64 { return math.Sin(x) },
		Derivative: func(x, _, _ float64) float64 { return math.Cos(x) }},
	Cos: {Name: "Cos", NeedsX: true,
		Value:      func(x, _ float64) float64 { return math.Cos(x) },
		Derivative: func(x, _, _ float64) float64 { return -math.Sin(x) }},
	Sign: {Name: "Sign", Value: sign, Derivative: zero},
	Floor: {Name: "Floor",
		Value: func(x, _ float64) float64 { return math.Floor(x) }, Derivative: zero},
	Softplus: {Name: "Softplus", NeedsX: true,
		Value:      func(x, _ float64) float64 { return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) },
		Derivative: func(x, _, _ float64) float64 { return 1 / (1 + math.Exp(-x)) }},
	Scale: {Name: "Scale",
		Value:      func(x, alpha float64) float64 { return alpha * x },
		Derivative: func(_, _, alpha float64) float64 { return alpha }},
	Offset: {Name: "Offset",
		Value: func(x, alpha float64) float64 { return x + alpha }, Derivative: one},
	Power: {Name: "Power", NeedsX: true,
		Value:      func(x, alpha float64) float64 { return math.Pow(x, alpha) },
		Derivative: func(x, _, alpha float64) float64 { return alpha * math.Pow(x, alpha-1) }},
}

// leaky returns x where x > 0, NaN for NaN, else alpha·x; the product is written
// so that an alpha of 0 gives 0 for −∞, not NaN.
func leaky(x, alpha float64) float64 {
	if x > 0 || math.IsNaN(x) {
		return x
	}
	if alpha == 0 {
		return 0
	}
	return alpha * x
}

func step(y, below float64) float64 {
	if y > 0 {
		return 1
	}
	return below
}

func sign(x, _ float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x // ±0 and NaN
}

// Rule returns the function's row of the table.
func (f Func) Rule() FuncRule {
	if f >= funcCount {
		return FuncRule{Name: fmt.Sprintf("Func(%d)", uint8(f))}
	}
	return funcRules[f]
}

func (f Func) String() string { return f.Rule().Name }

// Funcs lists all unary functions.
func Funcs() []Func {
	fs := make([]Func, funcCount)
	for i := range fs {
		fs[i] = Func(i)
	}
	return fs
}

// Activation is an element-wise function with its parameter, fused into another
// Op. The zero value is the identity.
type Activation struct {
	Func  Func    `json:"func"`
	Alpha float64 `json:"alpha,omitempty"` // slope of LeakyReLU, α of ELU; 0 for the others
}

func (a Activation) String() string {
	if a.Alpha != 0 {
		return fmt.Sprintf("%v(%g)", a.Func, a.Alpha)
	}
	return a.Func.String()
}

func (c *checker) activation(a Activation) {
	c.that(a.Func.Rule().Activation, "%v is not an activation", a.Func)
	c.alpha(a.Func, a.Alpha)
}

func (c *checker) alpha(f Func, alpha float64) {
	c.that(f < funcCount, "unknown function %v", f)
	finite := !math.IsNaN(alpha) && !math.IsInf(alpha, 0)
	c.that(finite, "Alpha of %v is %g, expected a finite number", f, alpha)
	if f == LeakyReLU || f == ELU {
		c.that(alpha >= 0, "Alpha of %v is %g, expected 0 or more", f, alpha)
	}
}

// GradEpilogue finishes an Op that writes the gradient g of an input x:
//
//	DX = (g + Addend)·σ′(Output),  σ = Derivative
//
// Addend [as DX] is another gradient that reaches x; Output [as DX] is x itself
// where x = σ(z), and then DX is the gradient of z. Both are optional: without
// Addend nothing is added; with the identity there is no Output.
type GradEpilogue struct {
	Addend     View
	Output     View
	Derivative Activation
}

// Epilogue returns e itself: every Op that embeds a GradEpilogue has this method.
func (e *GradEpilogue) Epilogue() *GradEpilogue { return e }

func (s operands) epilogue(e *GradEpilogue) operands {
	return s.inPlace("Addend", &e.Addend).inPlace("Output", &e.Output)
}

func (c *checker) epilogue(e GradEpilogue, dx Shape) {
	c.activation(e.Derivative)
	c.optional("Addend", e.Addend, dx)
	c.optional("Output", e.Output, dx)
	c.that((e.Derivative.Func != Identity) == e.Output.Present(),
		"Output is needed with a derivative (%v) and with that alone", e.Derivative)
}

// flops is the epilogue's share of the cost of an Op.
func (e GradEpilogue) flops() int {
	n := 0
	if e.Addend.Present() {
		n += e.Addend.Shape.Elements()
	}
	if e.Output.Present() {
		n += 2 * e.Output.Shape.Elements()
	}
	return n
}
