package backend

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Operands of prototypes: all in buffer 1.
func f32(dims ...int) View { return View{Buffer: 1, DType: Float32, Shape: dims} }
func i32(dims ...int) View { return View{Buffer: 1, DType: Int32, Shape: dims} }
func u8(dims ...int) View  { return View{Buffer: 1, DType: Uint8, Shape: dims} }

var plainWindow = Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1}

// validOps holds, by kind, an Op that passes Check.
func validOps() map[string]Op {
	pool := Window{StrideH: 2, StrideW: 2, DilationH: 1, DilationW: 1}
	epilogue := func(dims ...int) GradEpilogue {
		return GradEpilogue{Addend: f32(dims...), Output: f32(dims...), Derivative: Activation{Func: Tanh}}
	}
	ops := []Op{
		&Conv2D{Y: f32(2, 3, 4, 6), X: f32(2, 5, 6, 4), W: f32(6, 3, 3, 2), B: f32(6), Window: plainWindow, Groups: 2, Activation: Activation{Func: ReLU}},
		&Conv2DInputGrad{DX: f32(2, 5, 6, 4), DY: f32(2, 3, 4, 6), W: f32(6, 3, 3, 2), Window: plainWindow, Groups: 2, GradEpilogue: epilogue(2, 5, 6, 4)},
		&Conv2DFilterGrad{DW: f32(6, 3, 3, 2), DB: f32(6), DY: f32(2, 3, 4, 6), X: f32(2, 5, 6, 4), Window: plainWindow, Groups: 2},
		&MatMul{C: f32(2, 4), A: f32(2, 3), B: f32(3, 4), Bias: f32(4), GradEpilogue: epilogue(2, 4)},
		&MaxPool2D{Y: f32(1, 2, 2, 3), Argmax: i32(1, 2, 2, 3), X: f32(1, 4, 4, 3), KernelH: 2, KernelW: 2, Window: pool},
		&MaxPool2DGrad{DX: f32(1, 4, 4, 3), DY: f32(1, 2, 2, 3), Argmax: i32(1, 2, 2, 3), KernelH: 2, KernelW: 2, Window: pool, GradEpilogue: epilogue(1, 4, 4, 3)},
		&AvgPool2D{Y: f32(1, 2, 2, 3), X: f32(1, 4, 4, 3), KernelH: 2, KernelW: 2, Window: pool},
		&AvgPool2DGrad{DX: f32(1, 4, 4, 3), DY: f32(1, 2, 2, 3), KernelH: 2, KernelW: 2, Window: pool, GradEpilogue: epilogue(1, 4, 4, 3)},
		&Pad{Y: f32(1, 5, 4, 2), X: f32(1, 3, 3, 2), Padding: Padding{Top: 2, Right: 1, Mode: PadReflect}},
		&PadGrad{DX: f32(1, 3, 3, 2), DY: f32(1, 5, 4, 2), Padding: Padding{Top: 2, Right: 1, Mode: PadReflect}, GradEpilogue: epilogue(1, 3, 3, 2)},
		&Resize{Y: f32(1, 6, 2, 2), X: f32(1, 3, 3, 2), Mode: Area},
		&ResizeGrad{DX: f32(1, 3, 3, 2), DY: f32(1, 6, 2, 2), Mode: Bilinear, GradEpilogue: epilogue(1, 3, 3, 2)},
		&Unary{Y: f32(2, 3), X: f32(2, 3), Func: LeakyReLU, Alpha: 0.1},
		&UnaryGrad{DX: f32(2, 3), DY: f32(2, 3), Y: f32(2, 3), Func: Tanh, GradEpilogue: epilogue(2, 3)},
		&Binary{Y: f32(2, 3), A: f32(2, 1), B: f32(3), Func: Div},
		&Compare{Y: f32(2, 3), A: i32(2, 1), B: i32(3), Func: LessEqual},
		&Select{Y: f32(2, 3), Cond: f32(), A: f32(2, 1), B: f32(3)},
		&Reduce{Y: f32(2, 1, 4), X: f32(2, 3, 4), Func: Mean, Axes: []int{1}, Accumulate: true},
		&ReduceMaxGrad{DX: f32(2, 3, 4), DY: f32(2, 1, 4), Argmax: i32(2, 1, 4), Axes: []int{1}, GradEpilogue: epilogue(2, 3, 4)},
		&Fill{Y: i32(3), Value: 7},
		&Copy{Y: u8(2, 3), X: u8(3)},
		&Slice{Y: f32(2, 2), X: f32(3, 5), Start: []int{1, 3}},
		&Embed{Y: f32(3, 5), X: f32(2, 2), Start: []int{1, 3}},
		&Concatenate{Y: f32(2, 5), Xs: []View{f32(2, 3), f32(2, 2)}, Axis: 1},
		&Transpose{Y: f32(4, 2, 3), X: f32(2, 3, 4), Perm: []int{2, 0, 1}},
		&Gather{Y: f32(3, 2, 5), X: u8(7, 2, 5), Indices: i32(3), Scale: f32(5), Shift: f32(5)},
		&ScatterAdd{Y: f32(7, 2), X: f32(3, 2), Indices: i32(3)},
		&Convert{Y: f32(2, 3), X: u8(2, 3), Scale: f32(3), Shift: f32(3)},
		&Maxout{Y: f32(2, 3), Argmax: i32(2, 3), X: f32(2, 6), Pieces: 2},
		&MaxoutGrad{DX: f32(2, 6), DY: f32(2, 3), Argmax: i32(2, 3), Pieces: 2, GradEpilogue: epilogue(2, 6)},
		&Softmax{Y: f32(2, 3), X: f32(2, 3)},
		&SoftmaxGrad{DX: f32(2, 3), DY: f32(2, 3), Y: f32(2, 3), GradEpilogue: epilogue(2, 3)},
		&Loss{Losses: f32(4), Input: f32(4, 3), Target: i32(4), Weights: f32(4), Divisor: 4},
		&LossGrad{DX: f32(4, 3), Input: f32(4, 3), Target: f32(4, 3), Weights: f32(4), Seed: f32(1), Func: KLDivergence, Divisor: 4, GradEpilogue: epilogue(4, 3)},
		&Dropout{Y: f32(5), X: f32(5), Draw: i32(3), Rate: 0.5},
		&DropoutGrad{DX: f32(5), DY: f32(5), Draw: i32(3), Rate: 0.5, GradEpilogue: epilogue(5)},
		&BatchNorm{Y: f32(4, 3), Mean: f32(3), Variance: f32(3), X: f32(4, 3), Gamma: f32(3), Beta: f32(3), Epsilon: 1e-5},
		&BatchNormGrad{DX: f32(4, 3), DGamma: f32(3), DBeta: f32(3), DY: f32(4, 3), X: f32(4, 3), Gamma: f32(3), Mean: f32(3), Variance: f32(3), Epsilon: 1e-5, GradEpilogue: epilogue(4, 3)},
		&BatchNormInference{Y: f32(4, 3), X: f32(4, 3), Gamma: f32(3), Beta: f32(3), Mean: f32(3), Variance: f32(3), Epsilon: 1e-5},
		&MovingAverage{Y: f32(3), X: f32(3), Momentum: 0.1, Scale: 1},
		&OptimizerStep{Parameters: f32(9), Slot1: f32(9), Slot2: f32(9), Gradients: f32(9), LearningRate: f32(1), Step: i32(1), Rule: Adam, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8,
			Segments: []Segment{{Offset: 1, Length: 3, RateFactor: 1}, {Offset: 4, Length: 5, RateFactor: 0.5, WeightDecay: 0.1}}},
	}
	byKind := map[string]Op{}
	for _, op := range ops {
		byKind[op.Kind()] = op
	}
	return byKind
}

func TestCheckAcceptsValidOps(t *testing.T) {
	ops := validOps()
	for _, kind := range Kinds() {
		op, ok := ops[kind]
		if assert.True(t, ok, "no valid %s", kind) {
			assert.NoError(t, op.Check(), kind)
		}
	}
}

// refusal is an Op that is broken in one way, and what the error must say.
type refusal struct {
	kind  string
	spoil func(Op)
	want  error
	says  string
}

func bad[T Op](spoil func(o T), want error, says string) refusal {
	var zero T
	return refusal{zero.Kind(), func(o Op) { spoil(o.(T)) }, want, says}
}

var refusals = []refusal{
	bad(func(o *Conv2D) { o.X = View{} }, ErrShape, "operand X is missing"),
	bad(func(o *Conv2D) { o.W = View{} }, ErrShape, "operand W is missing"),
	bad(func(o *Conv2D) { o.Y = View{} }, ErrShape, "operand Y is missing"),
	bad(func(o *Conv2D) { o.X = u8(2, 5, 6, 4) }, ErrType, "operand X is uint8, expected [float32]"),
	bad(func(o *Conv2D) { o.X.Shape = Shape{5, 6, 4} }, ErrShape, "X [5 6 4] has 3 axes, expected 4"),
	bad(func(o *Conv2D) { o.X.Shape = Shape{0, 5, 6, 4} }, ErrShape, "extent of 0, expected at least 1"),
	bad(func(o *Conv2D) { o.X.Shape = Shape{2, 2, 6, 4} }, ErrShape, "filter 3×3 is larger than padded input 2×6"),
	bad(func(o *Conv2D) { o.DilationH = 3 }, ErrShape, "filter 3×3 (dilated to 7×3) is larger than padded input 5×6"),
	bad(func(o *Conv2D) { o.Y.Shape = Shape{2, 4, 4, 6} }, ErrShape, "Y is [2 4 4 6], expected [2 3 4 6]"),
	bad(func(o *Conv2D) { o.B.Shape = Shape{5} }, ErrShape, "B is [5], expected [6]"),
	bad(func(o *Conv2D) { o.B = i32(6) }, ErrType, "operand B is int32"),
	bad(func(o *Conv2D) { o.Groups = 0 }, ErrShape, "Groups is 0"),
	bad(func(o *Conv2D) { o.Groups = 3 }, ErrShape, "Groups is 3, expected a divisor of 4 input and 6 output channels"),
	bad(func(o *Conv2D) { o.Groups = 1 }, ErrShape, "take 2 channels, the input [2 5 6 4] has 4 in each of 1 groups"),
	bad(func(o *Conv2D) { o.StrideH = 0 }, ErrShape, "StrideH is 0, expected 1 to"),
	bad(func(o *Conv2D) { o.DilationW = -1 }, ErrShape, "DilationW is -1, expected 1 to"),
	bad(func(o *Conv2D) { o.PadLeft = -1 }, ErrShape, "PadLeft is -1, expected 0 to"),
	bad(func(o *Conv2D) { o.PadBottom = math.MaxInt }, ErrShape, "PadBottom is 9223372036854775807"),
	bad(func(o *Conv2D) { o.Activation.Func = Exp }, ErrShape, "Exp is not an activation"),
	bad(func(o *Conv2D) { o.Activation = Activation{Func: LeakyReLU, Alpha: -1} }, ErrShape, "Alpha of LeakyReLU is -1, expected 0 or more"),
	bad(func(o *Conv2D) { o.Activation.Func = 200 }, ErrShape, "Func(200) is not an activation"),
	bad(func(o *Conv2DInputGrad) { o.DX.Shape = Shape{2, 5, 6, 6} }, ErrShape, "take 2 channels"),
	bad(func(o *Conv2DInputGrad) { o.DY.Shape = Shape{2, 3, 4, 5} }, ErrShape, "DY is [2 3 4 5], expected [2 3 4 6]"),
	bad(func(o *Conv2DInputGrad) { o.W.Shape = Shape{6, 3, 3} }, ErrShape, "W [6 3 3] has 3 axes, expected 4"),
	bad(func(o *Conv2DInputGrad) { o.Addend.Shape = Shape{2} }, ErrShape, "Addend is [2], expected [2 5 6 4]"),
	bad(func(o *Conv2DInputGrad) { o.GradEpilogue.Output = View{} }, ErrShape, "Output is needed with a derivative (Tanh)"),
	bad(func(o *Conv2DInputGrad) { o.Derivative.Func = Identity }, ErrShape, "Output is needed with a derivative (Identity)"),
	bad(func(o *Conv2DInputGrad) { o.Derivative.Func = Sin }, ErrShape, "Sin is not an activation"),
	bad(func(o *Conv2DFilterGrad) { o.DW.Shape = Shape{6, 2, 3, 2} }, ErrShape, "DY is [2 3 4 6], expected [2 4 4 6]"),
	bad(func(o *Conv2DFilterGrad) { o.DB.Shape = Shape{7} }, ErrShape, "DB is [7], expected [6]"),
	bad(func(o *MatMul) { o.A.Shape = Shape{2, 4} }, ErrShape, "A [2 4] (transposed false) has 4 columns, B [3 4] (transposed false) has 3 rows"),
	bad(func(o *MatMul) { o.TransposeB = true }, ErrShape, "A [2 3] (transposed false) has 3 columns, B [3 4] (transposed true) has 4 rows"),
	bad(func(o *MatMul) { o.A.Shape = Shape{6} }, ErrShape, "A [6] has 1 axes, expected 2"),
	bad(func(o *MatMul) { o.B = i32(3, 4) }, ErrType, "operand B is int32"),
	bad(func(o *MatMul) { o.C.Shape = Shape{4, 2} }, ErrShape, "C is [4 2], expected [2 4]"),
	bad(func(o *MatMul) { o.Bias.Shape = Shape{2} }, ErrShape, "Bias is [2], expected [4]"),
	bad(func(o *MatMul) { o.Accumulate = true }, ErrShape, "Accumulate goes with neither"),
	bad(func(o *MatMul) { o.GradEpilogue = GradEpilogue{}; o.Activation.Func, o.Accumulate = ReLU, true }, ErrShape, "Accumulate goes with neither"),
	bad(func(o *MaxPool2D) { o.KernelH = 0 }, ErrShape, "kernel 0×2, expected 1×1 to"),
	bad(func(o *MaxPool2D) { o.KernelH, o.DilationH = 1<<62+1, 4 }, ErrShape, "kernel 4611686018427387905×2"),
	bad(func(o *MaxPool2D) { o.PadTop = 2 }, ErrShape, "reaches past a pooling window of 2×2"),
	bad(func(o *MaxPool2D) { o.Argmax = f32(1, 2, 2, 3) }, ErrType, "operand Argmax is float32, expected [int32]"),
	bad(func(o *MaxPool2D) { o.Argmax.Shape = Shape{1, 2, 2, 2} }, ErrShape, "Argmax is [1 2 2 2], expected [1 2 2 3]"),
	bad(func(o *MaxPool2D) { o.Y.Shape = Shape{1, 2, 2, 2} }, ErrShape, "Y is [1 2 2 2], expected [1 2 2 3]"),
	bad(func(o *MaxPool2DGrad) { o.Argmax = View{} }, ErrShape, "operand Argmax is missing"),
	bad(func(o *MaxPool2DGrad) { o.DY.Shape = Shape{1, 2, 3, 3} }, ErrShape, "DY is [1 2 3 3], expected [1 2 2 3]"),
	bad(func(o *AvgPool2D) { o.KernelW = 5 }, ErrShape, "filter 2×5 is larger than padded input 4×4"),
	bad(func(o *AvgPool2D) { o.X.Shape = Shape{4, 4, 3} }, ErrShape, "X [4 4 3] has 3 axes"),
	bad(func(o *AvgPool2DGrad) { o.DX = View{} }, ErrShape, "operand DX is missing"),
	bad(func(o *AvgPool2DGrad) { o.GradEpilogue.Output.Shape = Shape{1} }, ErrShape, "Output is [1], expected [1 4 4 3]"),
	bad(func(o *Pad) { o.Top = 3; o.Y.Shape = Shape{1, 6, 4, 2} }, ErrShape, "reflecting Top 3 pixels needs an image of more than 3, found 3"),
	bad(func(o *Pad) { o.Left = -1 }, ErrShape, "padding Left is -1"),
	bad(func(o *Pad) { o.Mode = 9 }, ErrShape, "unknown padding mode PadMode(9)"),
	bad(func(o *Pad) { o.Y.Shape = Shape{1, 5, 5, 2} }, ErrShape, "Y is [1 5 5 2], expected [1 5 4 2]"),
	bad(func(o *PadGrad) { o.DY.Shape = Shape{1, 5, 4, 3} }, ErrShape, "DY is [1 5 4 3], expected [1 5 4 2]"),
	bad(func(o *Resize) { o.Mode = 9 }, ErrShape, "unknown mode ResizeMode(9)"),
	bad(func(o *Resize) { o.Y.Shape = Shape{1, 6, 2, 3} }, ErrShape, "differ in batch or channels"),
	bad(func(o *Resize) { o.Y.Shape = Shape{1, 40000, 2, 2} }, ErrShape, "extent 40000, expected at most 32767"),
	bad(func(o *ResizeGrad) { o.DY.Shape = Shape{2, 6, 2, 2} }, ErrShape, "DX [1 3 3 2] and DY [2 6 2 2] differ in batch"),
	bad(func(o *Unary) { o.Y.Shape = Shape{3, 2} }, ErrShape, "Y is [3 2], expected [2 3]"),
	bad(func(o *Unary) { o.X = i32(2, 3) }, ErrType, "operand X is int32"),
	bad(func(o *Unary) { o.Alpha = math.NaN() }, ErrShape, "Alpha of LeakyReLU is NaN, expected a finite number"),
	bad(func(o *Unary) { o.Func, o.Alpha = ELU, -1 }, ErrShape, "Alpha of ELU is -1"),
	bad(func(o *Unary) { o.Func = 99 }, ErrShape, "unknown function Func(99)"),
	bad(func(o *UnaryGrad) { o.Y = View{} }, ErrShape, "Y is needed by some functions and by them alone; Tanh: true"),
	bad(func(o *UnaryGrad) { o.X = f32(2, 3) }, ErrShape, "X is needed by some functions and by them alone; Tanh: false"),
	bad(func(o *UnaryGrad) { o.Y.Shape = Shape{6} }, ErrShape, "Y is [6], expected [2 3]"),
	bad(func(o *UnaryGrad) { o.DX.Shape = Shape{6} }, ErrShape, "DX is [6], expected [2 3]"),
	bad(func(o *Binary) { o.B.Shape = Shape{4, 3} }, ErrShape, "[2 1] and [4 3] do not broadcast"),
	bad(func(o *Binary) { o.Y.Shape = Shape{3, 2} }, ErrShape, "Y is [3 2], expected [2 3]"),
	bad(func(o *Binary) { o.Func = 77 }, ErrShape, "unknown function BinaryFunc(77)"),
	bad(func(o *Binary) { o.A = View{} }, ErrShape, "operand A is missing"),
	bad(func(o *Compare) { o.B = f32(3) }, ErrType, "operand B is float32, expected [int32]"),
	bad(func(o *Compare) { o.A = u8(2, 1) }, ErrType, "operand A is uint8, expected [float32 int32]"),
	bad(func(o *Compare) { o.Y = i32(2, 3) }, ErrType, "operand Y is int32, expected [float32]"),
	bad(func(o *Compare) { o.Func = 77 }, ErrShape, "unknown relation CompareFunc(77)"),
	bad(func(o *Select) { o.Cond = i32() }, ErrType, "operand Cond is int32"),
	bad(func(o *Select) { o.A.Shape = Shape{4, 1} }, ErrShape, "expected [4 3]"),
	bad(func(o *Reduce) { o.Axes = []int{1, 1} }, ErrShape, "axes [1 1] of [2 3 4], expected strictly ascending axes from 0 to 2"),
	bad(func(o *Reduce) { o.Axes = []int{3} }, ErrShape, "axes [3]"),
	bad(func(o *Reduce) { o.Axes = []int{-1} }, ErrShape, "axes [-1]"),
	bad(func(o *Reduce) { o.Func = ReduceMax }, ErrShape, "Max does not accumulate"),
	bad(func(o *Reduce) { o.Func, o.Accumulate = ReduceArgmax, false }, ErrType, "operand Y is float32, expected [int32]"),
	bad(func(o *Reduce) { o.Func = 55 }, ErrShape, "unknown reduction ReduceFunc(55)"),
	bad(func(o *Reduce) { o.Y.Shape = Shape{2, 4} }, ErrShape, "Y is [2 4], expected [2 1 4]"),
	bad(func(o *ReduceMaxGrad) { o.Argmax = f32(2, 1, 4) }, ErrType, "operand Argmax is float32"),
	bad(func(o *ReduceMaxGrad) { o.DY.Shape = Shape{2, 3, 4} }, ErrShape, "DY is [2 3 4], expected [2 1 4]"),
	bad(func(o *Fill) { o.Value = 0.5 }, ErrShape, "Value is 0.5, expected a whole number"),
	bad(func(o *Fill) { o.Value = math.Inf(1) }, ErrShape, "Value is +Inf"),
	bad(func(o *Fill) { o.Y = u8(3) }, ErrType, "operand Y is uint8"),
	bad(func(o *Copy) { o.Y = f32(2, 3) }, ErrType, "operand Y is float32, expected [uint8]"),
	bad(func(o *Copy) { o.X.Shape = Shape{2} }, ErrShape, "[2] and [2 3] do not broadcast"),
	bad(func(o *Copy) { o.X.Shape, o.Y.Shape = Shape{2, 3}, Shape{1, 3} }, ErrShape, "X [2 3] does not broadcast to Y [1 3]"),
	bad(func(o *Slice) { o.Start = []int{2, 3} }, ErrShape, "Y [2 2] at [2 3] reaches outside X [3 5] on axis 0"),
	bad(func(o *Slice) { o.Start = []int{0, -1} }, ErrShape, "reaches outside X [3 5] on axis 1"),
	bad(func(o *Slice) { o.Start = []int{0} }, ErrShape, "expected as many axes in all three"),
	bad(func(o *Slice) { o.Start[0] = math.MaxInt }, ErrShape, "reaches outside"),
	bad(func(o *Embed) { o.X.Shape = Shape{2, 6} }, ErrShape, "X [2 6] at [1 3] reaches outside Y [3 5] on axis 1"),
	bad(func(o *Embed) { o.Y = i32(3, 5) }, ErrType, "operand Y is int32"),
	bad(func(o *Concatenate) { o.Xs = nil }, ErrShape, "nothing to concatenate"),
	bad(func(o *Concatenate) { o.Axis = 2 }, ErrShape, "axis 2 of [2 3], expected 0 to 1"),
	bad(func(o *Concatenate) { o.Axis = 0 }, ErrShape, "operand 1 [2 2] differs from operand 0 [2 3] elsewhere than on axis 0"),
	bad(func(o *Concatenate) { o.Xs[1] = i32(2, 2) }, ErrType, "operand Xs[1] is int32, expected [float32]"),
	bad(func(o *Concatenate) { o.Y.Shape = Shape{2, 6} }, ErrShape, "Y is [2 6], expected [2 5]"),
	bad(func(o *Transpose) { o.Perm = []int{2, 0, 0} }, ErrShape, "[2 0 0] is not a permutation of the axes of [2 3 4]"),
	bad(func(o *Transpose) { o.Perm = []int{1, 0} }, ErrShape, "[1 0] is not a permutation"),
	bad(func(o *Transpose) { o.Y = i32(4, 2, 3) }, ErrType, "operand Y is int32"),
	bad(func(o *Gather) { o.Indices = f32(3) }, ErrType, "operand Indices is float32, expected [int32]"),
	bad(func(o *Gather) { o.Indices.Shape = Shape{3, 1} }, ErrShape, "Indices [3 1] has 2 axes, expected 1"),
	bad(func(o *Gather) { o.X = View{Buffer: 1, DType: Uint8} }, ErrShape, "X is a scalar, expected rows"),
	bad(func(o *Gather) { o.X, o.Scale, o.Shift = i32(7, 2, 5), View{}, View{} }, ErrShape, "only Uint8 is converted"),
	bad(func(o *Gather) { o.X = f32(7, 2, 5) }, ErrShape, "Scale and Shift go with Uint8 made Float32, found float32 and float32"),
	bad(func(o *Gather) { o.Shift = View{} }, ErrShape, "Scale and Shift go together"),
	bad(func(o *Gather) { o.Scale.Shape = Shape{2} }, ErrShape, "Scale is [2], expected [5]"),
	bad(func(o *Gather) { o.Y.Shape = Shape{4, 2, 5} }, ErrShape, "Y is [4 2 5], expected [3 2 5]"),
	bad(func(o *ScatterAdd) { o.X.Shape = Shape{3, 3} }, ErrShape, "X is [3 3], expected [3 2]"),
	bad(func(o *ScatterAdd) { o.Y = f32() }, ErrShape, "Y is a scalar, expected rows"),
	bad(func(o *Convert) { o.X = f32(2, 3) }, ErrType, "operand X is float32, expected [uint8 int32]"),
	bad(func(o *Convert) { o.X = i32(2, 3) }, ErrShape, "Scale and Shift go with Uint8"),
	bad(func(o *Convert) { o.Scale = View{} }, ErrShape, "Scale and Shift go together"),
	bad(func(o *Maxout) { o.Pieces = 4 }, ErrShape, "Pieces is 4, expected a divisor of the last axis of X [2 6]"),
	bad(func(o *Maxout) { o.Pieces = 0 }, ErrShape, "Pieces is 0"),
	bad(func(o *Maxout) { o.Y.Shape = Shape{2, 2} }, ErrShape, "Y is [2 2], expected [2 3]"),
	bad(func(o *Maxout) { o.X = f32() }, ErrShape, "Pieces is 2, expected a divisor of the last axis of X []"),
	bad(func(o *MaxoutGrad) { o.Argmax.Shape = Shape{2, 6} }, ErrShape, "Argmax is [2 6], expected [2 3]"),
	bad(func(o *Softmax) { o.X, o.Y = f32(), f32() }, ErrShape, "X is a scalar, expected rows"),
	bad(func(o *Softmax) { o.Y.Shape = Shape{3, 2} }, ErrShape, "Y is [3 2], expected [2 3]"),
	bad(func(o *SoftmaxGrad) { o.Y.Shape = Shape{3, 2} }, ErrShape, "Y is [3 2], expected [2 3]"),
	bad(func(o *SoftmaxGrad) { o.DY = View{} }, ErrShape, "operand DY is missing"),
	bad(func(o *Loss) { o.Func = MeanSquaredError }, ErrShape, "MeanSquaredError takes rows of numbers as targets, found indices"),
	bad(func(o *Loss) { o.Func, o.Target = MultiClassHinge, f32(4, 3) }, ErrShape, "MultiClassHinge takes class indices as targets, found rows"),
	bad(func(o *Loss) { o.Func = 44 }, ErrShape, "unknown loss LossKind(44)"),
	bad(func(o *Loss) { o.Divisor = 0 }, ErrShape, "Divisor is 0, expected a positive number"),
	bad(func(o *Loss) { o.Divisor = math.NaN() }, ErrShape, "Divisor is NaN"),
	bad(func(o *Loss) { o.Divisor = math.Inf(1) }, ErrShape, "Divisor is +Inf"),
	bad(func(o *Loss) { o.Input = f32() }, ErrShape, "Input is a scalar, expected examples"),
	bad(func(o *Loss) { o.Target.Shape = Shape{3} }, ErrShape, "Target is [3], expected [4]"),
	bad(func(o *Loss) { o.Target = f32(4, 2) }, ErrShape, "Target is [4 2], expected [4 3]"),
	bad(func(o *Loss) { o.Weights.Shape = Shape{4, 3} }, ErrShape, "Weights is [4 3], expected [4]"),
	bad(func(o *Loss) { o.Losses.Shape = Shape{1} }, ErrShape, "Losses is [1], expected [4]"),
	bad(func(o *LossGrad) { o.Seed.Shape = Shape{3} }, ErrShape, "Seed is [3], expected [4] or [1]"),
	bad(func(o *LossGrad) { o.DX.Shape = Shape{4} }, ErrShape, "DX is [4], expected [4 3]"),
	bad(func(o *Dropout) { o.Rate = 1 }, ErrShape, "Rate is 1, expected 0 to less than 1"),
	bad(func(o *Dropout) { o.Rate = math.NaN() }, ErrShape, "Rate is NaN"),
	bad(func(o *Dropout) { o.Draw.Shape = Shape{2} }, ErrShape, "Draw is [2], expected [3]"),
	bad(func(o *DropoutGrad) { o.Rate = -0.1 }, ErrShape, "Rate is -0.1"),
	bad(func(o *DropoutGrad) { o.Draw = f32(3) }, ErrType, "operand Draw is float32"),
	bad(func(o *BatchNorm) { o.Epsilon = 0 }, ErrShape, "Epsilon is 0, expected a positive number"),
	bad(func(o *BatchNorm) { o.X.Shape, o.Y.Shape = Shape{1, 3}, Shape{1, 3} }, ErrShape, "X [1 3] has a single value per channel"),
	bad(func(o *BatchNorm) { o.X = f32() }, ErrShape, "X is a scalar, expected channels"),
	bad(func(o *BatchNorm) { o.Mean.Shape = Shape{4} }, ErrShape, "Mean is [4], expected [3]"),
	bad(func(o *BatchNorm) { o.Gamma = View{} }, ErrShape, "operand Gamma is missing"),
	bad(func(o *BatchNormGrad) { o.DGamma = View{} }, ErrShape, "DGamma and DBeta go together"),
	bad(func(o *BatchNormGrad) { o.DBeta.Shape = Shape{4} }, ErrShape, "DBeta is [4], expected [3]"),
	bad(func(o *BatchNormGrad) { o.Variance.Shape = Shape{4} }, ErrShape, "Variance is [4], expected [3]"),
	bad(func(o *BatchNormInference) { o.Epsilon = math.Inf(1) }, ErrShape, "Epsilon is +Inf"),
	bad(func(o *BatchNormInference) { o.Activation.Func = Sqrt }, ErrShape, "Sqrt is not an activation"),
	bad(func(o *BatchNormInference) { o.Beta.Shape = Shape{4} }, ErrShape, "Beta is [4], expected [3]"),
	bad(func(o *MovingAverage) { o.Momentum = 1.5 }, ErrShape, "Momentum is 1.5, expected 0 to 1"),
	bad(func(o *MovingAverage) { o.Momentum = math.NaN() }, ErrShape, "Momentum is NaN"),
	bad(func(o *MovingAverage) { o.Scale = 0 }, ErrShape, "Scale is 0, expected a positive number"),
	bad(func(o *MovingAverage) { o.Y.Shape = Shape{4} }, ErrShape, "Y is [4], expected [3]"),
	bad(func(o *OptimizerStep) { o.Rule = 99 }, ErrShape, "unknown rule OptimizerRule(99)"),
	bad(func(o *OptimizerStep) { o.Rule = SGD }, ErrShape, "SGD has 0 slots"),
	bad(func(o *OptimizerStep) { o.Slot2 = View{} }, ErrShape, "Adam has 2 slots"),
	bad(func(o *OptimizerStep) { o.Gradients.Shape = Shape{8} }, ErrShape, "Gradients is [8], expected [9]"),
	bad(func(o *OptimizerStep) { o.Slot1.Shape = Shape{8} }, ErrShape, "Slot1 is [8], expected [9]"),
	bad(func(o *OptimizerStep) { o.Step = f32(1) }, ErrType, "operand Step is float32"),
	bad(func(o *OptimizerStep) { o.LearningRate = f32() }, ErrShape, "LearningRate is [], expected [1]"),
	bad(func(o *OptimizerStep) { o.Beta1 = 1 }, ErrShape, "Beta1 is 1, expected 0 to less than 1"),
	bad(func(o *OptimizerStep) { o.Beta2 = math.NaN() }, ErrShape, "Beta2 is NaN"),
	bad(func(o *OptimizerStep) { o.Epsilon = 0 }, ErrShape, "Epsilon is 0, expected a positive number"),
	bad(func(o *OptimizerStep) { o.Rule, o.Slot2, o.Decay = RMSProp, View{}, -0.5 }, ErrShape, "Decay is -0.5"),
	bad(func(o *OptimizerStep) { o.Rule, o.Slot2, o.Momentum = Momentum, View{}, 1 }, ErrShape, "Momentum is 1, expected 0 to less than 1"),
	bad(func(o *OptimizerStep) { o.Segments[1].Offset = 3 }, ErrShape, "segment 1 covers 3 to 8, expected ascending, disjoint stretches of [9]"),
	bad(func(o *OptimizerStep) { o.Segments[1].Length = 6 }, ErrShape, "segment 1 covers 4 to 10"),
	bad(func(o *OptimizerStep) { o.Segments[0].Length = 0 }, ErrShape, "segment 0 covers 1 to 1"),
	bad(func(o *OptimizerStep) { o.Segments[0].Offset = -1 }, ErrShape, "segment 0 covers -1 to 2"),
	bad(func(o *OptimizerStep) { o.Segments[1].WeightDecay = math.NaN() }, ErrShape, "segment 1: RateFactor 0.5 and WeightDecay NaN, expected 0 or more"),
	bad(func(o *OptimizerStep) { o.Segments[1].Length = math.MaxInt }, ErrShape, "segment 1 covers"),
}

func TestCheckRefuses(t *testing.T) {
	covered := map[string]bool{}
	for _, r := range refusals {
		op := CloneOp(validOps()[r.kind])
		r.spoil(op)
		err := op.Check()
		if assert.ErrorIs(t, err, r.want, "%s: %s", r.kind, r.says) {
			assert.Contains(t, err.Error(), "backend: "+r.kind+": ")
			assert.Contains(t, err.Error(), r.says)
		}
		covered[r.kind] = true
	}
	for _, kind := range Kinds() {
		assert.True(t, covered[kind], "no refusal of %s is tested", kind)
	}
}

// TestCheckEveryOperand: each operand that is present has its type and its shape
// checked, and Check survives it when it is missing.
func TestCheckEveryOperand(t *testing.T) {
	for kind, valid := range validOps() {
		for i, o := range valid.Operands() {
			spoil := func(f func(v *View)) error {
				op := CloneOp(validOps()[kind])
				f(op.Operands()[i].View)
				return op.Check()
			}
			assert.Error(t, spoil(func(v *View) { v.DType = 17 }), "%s.%s of an unknown type", kind, o.Name)
			assert.ErrorIs(t, spoil(func(v *View) { v.Shape = Shape{0} }), ErrShape, "%s.%s empty", kind, o.Name)
			assert.ErrorIs(t, spoil(func(v *View) { v.Shape = Shape{1 << 20, 1 << 20} }), ErrShape, "%s.%s huge", kind, o.Name)
			if name := kind + "." + o.Name; name != "Fill.Y" && name != "Loss.Input" { // which take any shape
				assert.ErrorIs(t, spoil(func(v *View) { v.Shape = append(v.Shape.Clone(), 2, 2, 2) }), ErrShape, "%s of more axes", name)
			}
			require.NotPanics(t, func() { _ = spoil(func(v *View) { *v = View{} }) }, "%s.%s missing", kind, o.Name)
			require.NotPanics(t, func() { _ = spoil(func(v *View) { v.Shape = nil }) }, "%s.%s a scalar", kind, o.Name)
		}
	}
}

// TestZeroOpsAreRefused: a prototype without operands is an error, never a panic.
func TestZeroOpsAreRefused(t *testing.T) {
	for _, op := range prototypes {
		assert.Error(t, op.Check(), op.Kind())
		assert.Empty(t, op.Operands(), op.Kind())
	}
}

// FuzzCheck: whatever the attributes and shapes are, Check neither panics nor
// hangs, and an Op that passes it can be counted.
func FuzzCheck(f *testing.F) {
	for seed := range uint64(500) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		kinds := Kinds()
		op := CloneOp(validOps()[kinds[r.IntN(len(kinds))]])
		for range 1 + r.IntN(3) {
			mutate(r, reflect.ValueOf(op).Elem())
		}
		if op.Check() == nil {
			c := op.Cost()
			require.GreaterOrEqual(t, c.FLOPs, int64(0), "%+v", op)
			require.Positive(t, c.Bytes, "%+v", op)
		}
	})
}

// mutate changes one number somewhere inside v.
func mutate(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		mutate(r, v.Field(r.IntN(v.NumField())))
	case reflect.Slice:
		if n := v.Len(); n > 0 {
			fresh := reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, n), v)
			mutate(r, fresh.Index(r.IntN(n)))
			v.Set(fresh)
		}
	case reflect.Int:
		v.SetInt([]int64{0, 1, 2, 3, -1, 7, 1 << 15, 1 << 24, math.MaxInt32, math.MaxInt64, math.MinInt64, 1<<62 + 1, r.Int64()}[r.IntN(13)])
	case reflect.Uint8, reflect.Uint32:
		v.SetUint(uint64(r.IntN(30)))
	case reflect.Float64:
		v.SetFloat([]float64{0, 1, -1, 0.5, math.NaN(), math.Inf(1), math.Inf(-1), 1e300}[r.IntN(8)])
	case reflect.Bool:
		v.SetBool(!v.Bool())
	}
}
