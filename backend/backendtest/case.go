package backendtest

import (
	"hash/fnv"
	"math"
	"math/rand/v2"

	"fovea/backend"
)

// Case is one test of an Op: a prototype whose operands have types and shapes but
// no place yet, and how its inputs are filled.
type Case struct {
	Op    backend.Op
	fills fills
	// inPlace names an input that shares the bytes of the first output.
	inPlace string
}

// fills tells, by operand, what an input holds; operands that are not named get
// what their name and type suggest (see defaultFill).
type fills map[string]fill

// fill draws n elements of the given type.
type fill func(r *rand.Rand, a array)

// Cases returns all cases for a kind of Op, the same ones for the same seed.
func Cases(kind string, seed uint64) []Case {
	generate, ok := generators[kind]
	if !ok {
		return nil
	}
	g := &generator{r: random(seed, kind, -1)}
	generate(g)
	return g.cases
}

// generators make the cases of each kind. A kind of Op without one fails the
// suite.
var generators = map[string]func(*generator){
	"Conv2D":             conv2DCases,
	"Conv2DInputGrad":    conv2DInputGradCases,
	"Conv2DFilterGrad":   conv2DFilterGradCases,
	"MatMul":             matMulCases,
	"MaxPool2D":          maxPoolCases,
	"MaxPool2DGrad":      maxPoolGradCases,
	"AvgPool2D":          avgPoolCases,
	"AvgPool2DGrad":      avgPoolGradCases,
	"Pad":                padCases,
	"PadGrad":            padGradCases,
	"Resize":             resizeCases,
	"ResizeGrad":         resizeGradCases,
	"Unary":              unaryCases,
	"UnaryGrad":          unaryGradCases,
	"Binary":             binaryCases,
	"Compare":            compareCases,
	"Select":             selectCases,
	"Reduce":             reduceCases,
	"ReduceMaxGrad":      reduceMaxGradCases,
	"Fill":               fillCases,
	"Copy":               copyCases,
	"Slice":              sliceCases,
	"Embed":              embedCases,
	"Concatenate":        concatenateCases,
	"Transpose":          transposeCases,
	"Gather":             gatherCases,
	"ScatterAdd":         scatterAddCases,
	"Convert":            convertCases,
	"Maxout":             maxoutCases,
	"MaxoutGrad":         maxoutGradCases,
	"Softmax":            softmaxCases,
	"SoftmaxGrad":        softmaxGradCases,
	"Loss":               lossCases,
	"LossGrad":           lossGradCases,
	"Dropout":            dropoutCases,
	"DropoutGrad":        dropoutGradCases,
	"BatchNorm":          batchNormCases,
	"BatchNormGrad":      batchNormGradCases,
	"BatchNormInference": batchNormInferenceCases,
	"MovingAverage":      movingAverageCases,
	"OptimizerStep":      optimizerCases,
}

// randomCases is how many cases of each kind are drawn.
const randomCases = 20

// generator collects cases.
type generator struct {
	r     *rand.Rand
	cases []Case
}

func (g *generator) add(op backend.Op) { g.cases = append(g.cases, Case{Op: op}) }
func (g *generator) addFilled(op backend.Op, f fills) {
	g.cases = append(g.cases, Case{Op: op, fills: f})
}
func (g *generator) addInPlace(op backend.Op, x string) { g.addAll(Case{Op: op, inPlace: x}) }
func (g *generator) addAll(cases ...Case)               { g.cases = append(g.cases, cases...) }

// between draws a number from lo to hi, both included.
func (g *generator) between(lo, hi int) int { return lo + g.r.IntN(hi-lo+1) }

func (g *generator) coin() bool { return g.r.IntN(2) == 0 }

// random returns the generator of one case.
func random(seed uint64, kind string, i int) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(kind))
	return rand.New(rand.NewPCG(seed, h.Sum64()+uint64(int64(i))))
}

// A prototype's operands all lie in buffer 1 until they are placed.
func f32(dims ...int) backend.View { return view(backend.Float32, dims) }
func i32(dims ...int) backend.View { return view(backend.Int32, dims) }
func u8(dims ...int) backend.View  { return view(backend.Uint8, dims) }

func view(t backend.DType, s backend.Shape) backend.View {
	return backend.View{Buffer: 1, DType: t, Shape: s.Clone()}
}

// must is for shapes that the generators derive.
func must[T any](v T, err error) T {
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return v
}

// activations are the functions that can be fused, with the parameters they need.
var activations = []backend.Activation{
	{}, {Func: backend.Sigmoid}, {Func: backend.Tanh}, {Func: backend.ReLU}, {Func: backend.LeakyReLU, Alpha: 0.1}, {Func: backend.ELU, Alpha: 0.9},
}

// widths are channel counts around the widths of vectors.
var widths = []int{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 67}

// activationOf returns the fused activation of an Op that may have one, else nil.
func activationOf(op backend.Op) *backend.Activation {
	switch o := op.(type) {
	case *backend.Conv2D:
		return &o.Activation
	case *backend.MatMul:
		return &o.Activation
	case *backend.BatchNormInference:
		return &o.Activation
	}
	return nil
}

// epilogueOf returns the gradient epilogue of an Op that has one, else nil.
func epilogueOf(op backend.Op) *backend.GradEpilogue {
	if o, ok := op.(interface{ Epilogue() *backend.GradEpilogue }); ok {
		return o.Epilogue()
	}
	return nil
}

// addEpilogues adds the Op with every gradient epilogue: each derivative, with
// and without an addend, and the addend and the output in the place of the result.
func (g *generator) addEpilogues(op backend.Op, f fills, inPlace bool) {
	for _, a := range activations {
		for _, addend := range []bool{false, true} {
			c := backend.CloneOp(op)
			e := epilogueOf(c)
			*e = g.epilogue(c, a, addend)
			g.addFilled(c, f)
			if !inPlace {
				continue
			}
			if addend {
				g.addAll(Case{Op: backend.CloneOp(c), fills: f, inPlace: "Addend"})
			}
			if e.Output.Present() {
				g.addAll(Case{Op: backend.CloneOp(c), fills: f, inPlace: "Output"})
			}
		}
	}
}

// epilogue is a gradient epilogue whose operands have the shape of op's first
// output.
func (g *generator) epilogue(op backend.Op, a backend.Activation, addend bool) backend.GradEpilogue {
	e := backend.GradEpilogue{Derivative: a}
	dx := op.Operands()[0].View.Shape
	if addend {
		e.Addend = view(backend.Float32, dx)
	}
	if a.Func != backend.Identity {
		e.Output = view(backend.Float32, dx)
	}
	return e
}

// randomEpilogue sets a random gradient epilogue.
func (g *generator) randomEpilogue(op backend.Op) backend.Op {
	*epilogueOf(op) = g.epilogue(op, activations[g.r.IntN(len(activations))], g.coin())
	return op
}

// defaultFill is what an operand holds if the case does not say: the output of
// an activation for the Output of an epilogue, bytes, small whole numbers, else
// normal numbers.
func defaultFill(op backend.Op, name string, t backend.DType) fill {
	switch {
	case t == backend.Uint8:
		return bytes
	case t == backend.Int32:
		return integers(-1000, 1000)
	case name == "Output" && epilogueOf(op) != nil:
		return activated(epilogueOf(op).Derivative)
	}
	return normal
}

// limitOf is the declared limit of an operand that is used as a position, and 0
// for others.
func limitOf(op backend.Op, name string) int {
	switch o := op.(type) {
	case *backend.Gather:
		if name == "Indices" {
			return o.X.Shape[0]
		}
	case *backend.ScatterAdd:
		if name == "Indices" {
			return o.Y.Shape[0]
		}
	case *backend.Loss:
		if name == "Target" && o.Target.DType == backend.Int32 {
			return o.Input.Shape.Elements() / o.Input.Shape[0]
		}
	case *backend.LossGrad:
		if name == "Target" && o.Target.DType == backend.Int32 {
			return o.Input.Shape.Elements() / o.Input.Shape[0]
		}
	}
	return 0
}

// constant fills with the given values, again and again.
func constant(values ...float64) fill {
	return func(_ *rand.Rand, a array) {
		for i := range a.len() {
			a.set(i, values[i%len(values)])
		}
	}
}

func (a array) set(i int, v float64) {
	switch a.dtype {
	case backend.Float32:
		a.f[i] = float32(v)
	case backend.Int32:
		a.i[i] = int32(v)
	default:
		a.u[i] = uint8(v)
	}
}

func each(draw func(r *rand.Rand) float64) fill {
	return func(r *rand.Rand, a array) {
		for i := range a.len() {
			a.set(i, draw(r))
		}
	}
}

var (
	normal   = each(func(r *rand.Rand) float64 { return r.NormFloat64() })
	positive = each(func(r *rand.Rand) float64 { return 0.05 + 2*r.Float64() })
	unit     = each(func(r *rand.Rand) float64 { return r.Float64() })
	bytes    = each(func(r *rand.Rand) float64 { return float64(r.IntN(256)) })
	// wide covers many magnitudes of both signs.
	wide = each(func(r *rand.Rand) float64 { return r.NormFloat64() * math.Ldexp(1, r.IntN(41)-20) })
	// grid holds multiples of 1/4, whose sums and differences are exact and often
	// equal.
	grid = each(func(r *rand.Rand) float64 { return float64(r.IntN(17)-8) / 4 })
	// signs holds −1, 0, 1 and −0.
	signs = constant(-1, 0, 1, math.Copysign(0, -1), 2)
)

// normalAround is normal numbers far from zero, whose variance is
// ill-conditioned.
func normalAround(mean, deviation float64) fill {
	return each(func(r *rand.Rand) float64 { return mean + deviation*r.NormFloat64() })
}

// integers draws from lo up to below hi.
func integers(lo, hi int) fill {
	return each(func(r *rand.Rand) float64 { return float64(lo + r.IntN(hi-lo)) })
}

// activated is what an activation makes of normal numbers.
func activated(act backend.Activation) fill {
	return each(func(r *rand.Rand) float64 { return act.Func.Rule().Value(r.NormFloat64(), act.Alpha) })
}

// distribution fills rows of width c with probabilities, some of them zero, or
// with their logarithms.
func distribution(c int, zeros, log bool) fill {
	return func(r *rand.Rand, a array) {
		for at := 0; at < a.len(); at += c {
			sum := 0.0
			row := make([]float64, min(c, a.len()-at))
			for j := range row {
				if !zeros || j == 0 || r.IntN(3) > 0 {
					row[j] = 0.01 + r.Float64()
				}
				sum += row[j]
			}
			for j, v := range row {
				v /= sum
				if log {
					v = math.Log(v)
				}
				a.set(at+j, v)
			}
		}
	}
}

// specials holds, among normal numbers, what float32 has besides.
func specials(values ...float64) fill {
	return func(r *rand.Rand, a array) {
		normal(r, a)
		for i := range a.len() {
			if r.IntN(2) == 0 {
				a.set(i, values[r.IntN(len(values))])
			}
		}
	}
}

var (
	nan      = math.NaN()
	inf      = math.Inf(1)
	negZero  = math.Copysign(0, -1)
	denormal = 0x1p-140
	// anything has them all.
	anything = specials(nan, inf, -inf, negZero, 0, denormal, -denormal, 0x1p-126, math.MaxFloat32, -math.MaxFloat32, 1e30, -1e-30, 88.8, -88.8, -103.9, 16777217)
)
