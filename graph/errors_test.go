package graph_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/graph"
)

// Every method reports what does not fit: the Op, the layer, the operand, what was
// found and what was expected.
func TestBuildingErrors(t *testing.T) {
	floatInput := func(s *subject, shape ...int) *graph.Node {
		return s.Input(fmt.Sprint("float", shape), backend.Float32, shape, 0)
	}
	intInput := func(s *subject, limit int, shape ...int) *graph.Node {
		return s.Input(fmt.Sprint("int", limit, shape), backend.Int32, shape, limit)
	}
	for _, c := range []struct {
		name  string
		build func(s *subject)
		is    error
		text  string // what follows "graph: "
	}{
		{"filter too large", func(s *subject) { s.Conv2D(s.p(1, 4, 4, 2), s.p(3, 5, 5, 2), nil, plain, 1) }, backend.ErrShape, `Conv2D "c2": filter 5×5 is larger than padded input 4×4`},
		{"images of three axes", func(s *subject) { s.Conv2D(s.p(4, 4, 2), s.p(3, 5, 5, 2), nil, plain, 1) }, backend.ErrShape, `Conv2D "c2": images [4 4 2] and filters [3 5 5 2], expected 4 axes each (NHWC, OHWI)`},
		{"channels differ", func(s *subject) { s.Conv2D(s.p(1, 4, 4, 2), s.p(3, 1, 1, 3), nil, plain, 1) }, backend.ErrShape, `Conv2D "c2": filters [3 1 1 3] take 3 channels, the input [1 4 4 2] has 2 in each of 1 groups`},
		{"groups", func(s *subject) { s.Conv2D(s.p(1, 4, 4, 2), s.p(3, 1, 1, 1), nil, plain, 2) }, backend.ErrShape, `Conv2D "c2": Groups is 2, expected a divisor of 2 input and 3 output channels`},
		{"no groups", func(s *subject) { s.Conv2D(s.p(1, 4, 4, 2), s.p(3, 1, 1, 2), nil, plain, 0) }, backend.ErrShape, `Conv2D "c2": Groups is 0`},
		{"stride", func(s *subject) { s.Conv2D(s.p(1, 4, 4, 2), s.p(3, 1, 1, 2), nil, stride(0), 1) }, backend.ErrShape, `Conv2D "c2": StrideH is 0, expected 1 to`},
		{"bias", func(s *subject) { s.Conv2D(s.p(1, 4, 4, 2), s.p(3, 1, 1, 2), s.p(2), plain, 1) }, backend.ErrShape, `Conv2D "c2": B is [2], expected [3]`},
		{"images of integers", func(s *subject) { s.Conv2D(intInput(s, 9, 1, 4, 4, 2), s.p(3, 1, 1, 2), nil, plain, 1) }, backend.ErrType, `Conv2D "c2": operand X is int32, expected [float32]`},
		{"product", func(s *subject) { s.MatMul(s.p(2, 3), s.p(4, 5), nil, false, false) }, backend.ErrShape, `MatMul "c2": A [2 3] (transposed false) has 3 columns, B [4 5] (transposed false) has 4 rows`},
		{"product of vectors", func(s *subject) { s.MatMul(s.p(2), s.p(2), nil, false, false) }, backend.ErrShape, `MatMul "c2": factors [2] and [2], expected 2 axes each`},
		{"bias of a product", func(s *subject) { s.MatMul(s.p(2, 3), s.p(3, 5), s.p(3), false, false) }, backend.ErrShape, `MatMul "c2": Bias is [3], expected [5]`},
		{"pool too large", func(s *subject) { s.MaxPool2D(s.p(1, 2, 2, 1), 3, 1, plain) }, backend.ErrShape, `MaxPool2D "c2": filter 3×1 is larger than padded input 2×2`},
		{"pool of nothing", func(s *subject) { s.AvgPool2D(s.p(1, 2, 2, 1), 0, 1, plain, false) }, backend.ErrShape, `AvgPool2D "c2": kernel 0×1, expected`},
		{"pool of padding", func(s *subject) {
			s.AvgPool2D(s.p(1, 2, 2, 1), 2, 2, backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, PadTop: 2}, false)
		}, backend.ErrShape, `AvgPool2D "c2": padding (top 2, bottom 0, left 0, right 0) reaches past`},
		{"pool of rows", func(s *subject) { s.MaxPool2D(s.p(2, 2), 1, 1, plain) }, backend.ErrShape, `MaxPool2D "c2": images [2 2], expected 4 axes (NHWC)`},
		{"pad", func(s *subject) { s.Pad(s.p(1, 2, 2, 1), backend.Padding{Top: 2, Mode: backend.PadReflect}) }, backend.ErrShape, `Pad "c2": reflecting Top 2 pixels needs an image of more than 2, found 2`},
		{"pad mode", func(s *subject) { s.Pad(s.p(1, 2, 2, 1), backend.Padding{Mode: 9}) }, backend.ErrShape, `Pad "c2": unknown padding mode PadMode(9)`},
		{"resize", func(s *subject) { s.Resize(s.p(2, 2), 1, 1, backend.Area) }, backend.ErrShape, `Resize "c2": images [2 2], expected 4 axes (NHWC)`},
		{"resize to nothing", func(s *subject) { s.Resize(s.p(1, 2, 2, 1), 0, 1, backend.Area) }, backend.ErrShape, `Resize "c2": [1 0 1 1] has an extent of 0, expected at least 1: operand Y`},
		{"resize mode", func(s *subject) { s.Resize(s.p(1, 2, 2, 1), 1, 1, 9) }, backend.ErrShape, `Resize "c2": unknown mode ResizeMode(9)`},
		{"unary of integers", func(s *subject) { s.Unary(backend.Exp, 0, intInput(s, 3, 2)) }, backend.ErrType, `Unary "c2": operand X is int32`},
		{"unknown function", func(s *subject) { s.Unary(99, 0, s.p(2)) }, backend.ErrShape, `Unary "c2": unknown function Func(99)`},
		{"slope", func(s *subject) {
			s.Activate(s.p(2), backend.Activation{Func: backend.LeakyReLU, Alpha: -1})
		}, backend.ErrShape, `Unary "c2": Alpha of LeakyReLU is -1, expected 0 or more`},
		{"not a number", func(s *subject) { s.Unary(backend.Scale, math.NaN(), s.p(2)) }, backend.ErrShape, `Unary "c2": Alpha of Scale is NaN, expected a finite number`},
		{"sum", func(s *subject) { s.Add(s.p(2, 3), s.p(2)) }, backend.ErrShape, `Add "c2": [2 3] and [2] do not broadcast`},
		{"quotient of integers", func(s *subject) { s.Div(s.p(2), intInput(s, 3, 2)) }, backend.ErrType, `Div "c2": operand B is int32`},
		{"unknown binary function", func(s *subject) { s.Binary(99, s.p(2), s.p(2)) }, backend.ErrShape, `BinaryFunc(99) "c2": unknown function`},
		{"comparison", func(s *subject) { s.Compare(backend.Less, s.p(3), s.p(2)) }, backend.ErrShape, `Less "c2": [3] and [2] do not broadcast`},
		{"comparison of types", func(s *subject) { s.Compare(backend.Less, s.p(2), intInput(s, 3, 2)) }, backend.ErrType, `Less "c2": operand B is int32, expected [float32]`},
		{"selection", func(s *subject) { s.Select(s.p(3), s.p(2), s.p(2)) }, backend.ErrShape, `Select "c2": [3] and [2] do not broadcast`},
		{"selection by integers", func(s *subject) { s.Select(intInput(s, 2, 2), s.p(2), s.p(2)) }, backend.ErrType, `Select "c2": operand Cond is int32`},
		{"axes", func(s *subject) { s.Reduce(backend.Sum, s.p(2, 3), 1, 0) }, backend.ErrShape, `Reduce "c2": axes [1 0] of [2 3], expected strictly ascending axes from 0 to 1`},
		{"negative axis", func(s *subject) { s.Reduce(backend.Sum, s.p(2, 3), -1) }, backend.ErrShape, `Reduce "c2": axes [-1]`},
		{"unknown reduction", func(s *subject) { s.Reduce(99, s.p(2, 3)) }, backend.ErrShape, `Reduce "c2": unknown reduction`},
		{"broadcast", func(s *subject) { s.Broadcast(s.p(2, 3), backend.Shape{2, 4}) }, backend.ErrShape, `Broadcast "c2": [2 3] and [2 4] do not broadcast`},
		{"broadcast to less", func(s *subject) { s.Broadcast(s.p(2, 3), backend.Shape{3}) }, backend.ErrShape, `Broadcast "c2": X [2 3] does not broadcast to Y [3]`},
		{"reshape", func(s *subject) { s.Reshape(s.p(2, 3), 4, -1) }, backend.ErrShape, `Reshape "c2": [2 3] does not become [4 -1]`},
		{"reshape with two open axes", func(s *subject) { s.Reshape(s.p(2, 3), -1, -1) }, backend.ErrShape, `Reshape "c2": [2 3] does not become [-1 -1]`},
		{"reshape that overflows", func(s *subject) { s.Reshape(s.p(2, 3), 1<<32, 1<<32, -1) }, backend.ErrShape, `Reshape "c2": [2 3] does not become`},
		{"slice outside", func(s *subject) { s.Slice(s.p(2, 3), []int{0, 2}, backend.Shape{1, 2}) }, backend.ErrShape, `Slice "c2": Y [1 2] at [0 2] reaches outside X [2 3] on axis 1`},
		{"slice at a negative place", func(s *subject) { s.Slice(s.p(2, 3), []int{0, -1}, backend.Shape{1, 2}) }, backend.ErrShape, `Slice "c2": Y [1 2] at [0 -1] reaches outside`},
		{"slice of few axes", func(s *subject) { s.Slice(s.p(2, 3), []int{0}, backend.Shape{1, 2}) }, backend.ErrShape, `Slice "c2": Y [1 2] at [0] in X [2 3]: expected as many axes`},
		{"empty slice", func(s *subject) { s.Slice(s.p(2, 3), []int{0, 0}, backend.Shape{1, 0}) }, backend.ErrShape, `Slice "c2": [1 0] has an extent of 0`},
		{"concatenation", func(s *subject) { s.Concatenate(0, s.p(2, 3), s.p(2, 4)) }, backend.ErrShape, `Concatenate "c2": operand 1 [2 4] differs from operand 0 [2 3] elsewhere than on axis 0`},
		{"concatenation of nothing", func(s *subject) { s.Concatenate(0) }, backend.ErrShape, `Concatenate "c2": nothing to concatenate`},
		{"concatenation of types", func(s *subject) { s.Concatenate(0, s.p(2), intInput(s, 3, 2)) }, backend.ErrType, `Concatenate "c2": operand Xs[1] is int32, expected [float32]`},
		{"axis of concatenation", func(s *subject) { s.Concatenate(1, s.p(2)) }, backend.ErrShape, `Concatenate "c2": axis 1 of [2], expected 0 to 0`},
		{"transpose", func(s *subject) { s.Transpose(s.p(2, 3), 0, 0) }, backend.ErrShape, `Transpose "c2": [0 0] is not a permutation of the axes of [2 3]`},
		{"gather by numbers", func(s *subject) { s.Gather(s.p(4, 2), s.p(2), nil, nil) }, backend.ErrShape, `Gather "c2": the indices' limit is 0, expected 1 to 4 rows`},
		{"gather beyond the rows", func(s *subject) { s.Gather(s.p(4, 2), intInput(s, 5, 2), nil, nil) }, backend.ErrShape, `Gather "c2": the indices' limit is 5, expected 1 to 4 rows`},
		{"gather by a joined list without limit", func(s *subject) {
			s.Gather(s.p(4, 2), s.Concatenate(0, intInput(s, 4, 2), intInput(s, 0, 2)), nil, nil)
		}, backend.ErrShape, `Gather "c2": the indices' limit is 0`},
		{"gather from a scalar", func(s *subject) { s.Gather(s.p(), intInput(s, 4, 2), nil, nil) }, backend.ErrShape, `Gather "c2": rows [] and indices [2]`},
		{"scale without shift", func(s *subject) { s.Gather(s.p(4, 2), intInput(s, 4, 2), s.p(2), nil) }, backend.ErrShape, `Gather "c2": operand 3 is nil`},
		{"shift without scale", func(s *subject) { s.Gather(s.p(4, 2), intInput(s, 4, 2), nil, s.p(2)) }, backend.ErrShape, `Gather "c2": Scale and Shift go together`},
		{"conversion of floats", func(s *subject) { s.Convert(s.p(2), nil, nil) }, backend.ErrType, `Convert "c2": operand X is float32, expected [uint8 int32]`},
		{"scale of integers", func(s *subject) { s.Convert(intInput(s, 3, 2), s.p(2), s.p(2)) }, backend.ErrShape, `Convert "c2": Scale and Shift go with Uint8 made Float32`},
		{"softmax of a scalar", func(s *subject) { s.Softmax(s.p(), false) }, backend.ErrShape, `Softmax "c2": X is a scalar, expected rows`},
		{"maxout", func(s *subject) { s.Maxout(s.p(2, 3), 2) }, backend.ErrShape, `Maxout "c2": 2 pieces do not divide the last axis of [2 3]`},
		{"dropout", func(s *subject) { s.Dropout(s.p(2), 1, 0) }, backend.ErrShape, `Dropout "c2": Rate is 1, expected 0 to less than 1`},
		{"batch norm", func(s *subject) { s.BatchNorm(s.p(4, 3), s.p(2), s.p(3), 1e-5) }, backend.ErrShape, `BatchNorm "c2": Gamma is [2], expected [3]`},
		{"batch norm of one value", func(s *subject) { s.BatchNorm(s.p(1, 3), s.p(3), s.p(3), 1e-5) }, backend.ErrShape, `BatchNorm "c2": X [1 3] has a single value per channel`},
		{"batch norm of a scalar", func(s *subject) { s.BatchNorm(s.p(), s.p(), s.p(), 1e-5) }, backend.ErrShape, `BatchNorm "c2": X is a scalar, expected channels`},
		{"batch norm without epsilon", func(s *subject) { s.BatchNorm(s.p(4, 3), s.p(3), s.p(3), 0) }, backend.ErrShape, `BatchNorm "c2": Epsilon is 0, expected a positive number`},
		{"batch norm inference", func(s *subject) { s.BatchNormInference(s.p(4, 3), s.p(3), s.p(3), s.p(3), s.p(1), 1e-5) }, backend.ErrShape, `BatchNormInference "c2": Variance is [1], expected [3]`},
		{"loss of a scalar", func(s *subject) { s.Loss(backend.MeanSquaredError, s.p(), s.p(), nil, 1) }, backend.ErrShape, `MeanSquaredError "c2": the input is a scalar, expected examples`},
		{"targets", func(s *subject) { s.Loss(backend.MeanSquaredError, s.p(2, 3), s.p(2, 2), nil, 1) }, backend.ErrShape, `MeanSquaredError "c2": Target is [2 2], expected [2 3]`},
		{"targets that are indices", func(s *subject) { s.Loss(backend.MeanSquaredError, s.p(2, 3), intInput(s, 3, 2), nil, 1) }, backend.ErrShape, `MeanSquaredError "c2": MeanSquaredError takes rows of numbers as targets, found indices`},
		{"targets without limit", func(s *subject) { s.Loss(backend.SoftmaxCrossEntropy, s.p(2, 3), intInput(s, 0, 2), nil, 1) }, backend.ErrShape, `SoftmaxCrossEntropy "c2": the targets' limit is 0, expected 1 to 3 classes`},
		{"too many classes", func(s *subject) { s.Loss(backend.SoftmaxCrossEntropy, s.p(2, 3), intInput(s, 4, 2), nil, 1) }, backend.ErrShape, `SoftmaxCrossEntropy "c2": the targets' limit is 4, expected 1 to 3 classes`},
		{"weights", func(s *subject) {
			s.Loss(backend.SoftmaxCrossEntropy, s.p(2, 3), intInput(s, 3, 2), s.p(3), 1)
		}, backend.ErrShape, `SoftmaxCrossEntropy "c2": Weights is [3], expected [2]`},
		{"divisor", func(s *subject) {
			s.Loss(backend.SoftmaxCrossEntropy, s.p(2, 3), intInput(s, 3, 2), nil, 0)
		}, backend.ErrShape, `SoftmaxCrossEntropy "c2": Divisor is 0, expected a positive number`},
		{"constant of nothing", func(s *subject) { s.Constant(1, backend.Shape{0}) }, backend.ErrShape, `Constant "c2": [0] has an extent of 0`},
		{"input of nothing", func(s *subject) { floatInput(s, 2, 0) }, backend.ErrShape, `Input "float[2 0]" of "c2": [2 0] has an extent of 0, expected at least 1`},
		{"a leaf without a name", func(s *subject) { s.Parameter("", backend.Shape{1}) }, backend.ErrShape, `Parameter "" of "c2": a leaf needs a name`},
		{"a limit of floats", func(s *subject) { s.Input("x", backend.Float32, backend.Shape{1}, 3) }, backend.ErrType, `Input "x" of "c2": a limit of 3 goes with int32`},
		{"two shapes of a leaf", func(s *subject) { s.Parameter("w", backend.Shape{2}); s.Parameter("w", backend.Shape{3}) }, backend.ErrShape, `Parameter "w" of "c2": it is declared twice: as Parameter float32 [2] with limit 0 and as Parameter float32 [3] with limit 0`},
		{"two roles of a leaf", func(s *subject) { s.Parameter("w", backend.Shape{2}); s.State("w", backend.Shape{2}) }, backend.ErrShape, `State "w" of "c2": it is declared twice: as Parameter`},
		{"two limits of a leaf", func(s *subject) {
			s.Input("i", backend.Int32, backend.Shape{2}, 3)
			s.Input("i", backend.Int32, backend.Shape{2}, 4)
		}, backend.ErrShape, `Input "i" of "c2": it is declared twice`},
		{"tracking in a parameter", func(s *subject) { s.Track(graph.Tracking{State: s.p(2), Value: s.p(2)}) }, backend.ErrShape, `Track "c2": Parameter "p0" [2] does not keep`},
		{"tracking another shape", func(s *subject) {
			s.Track(graph.Tracking{State: s.State("s", backend.Shape{2}), Value: s.p(3)})
		}, backend.ErrShape, `Track "c2": State "s" [2] does not keep a value of float32 [3]`},
		{"tracking twice", func(s *subject) {
			s.Track(graph.Tracking{State: s.State("s", backend.Shape{2}), Value: s.p(2)})
			s.Track(graph.Tracking{State: s.State("s", backend.Shape{2}), Value: s.p(2)})
		}, backend.ErrShape, `Track "c2": the state "s" is tracked twice`},
		{"seed", func(s *subject) { s.Gradients(s.p(2), s.p(3)) }, backend.ErrShape, `Gradients "c2": the seed is [3], expected [2]`},
		{"gradient of integers", func(s *subject) { s.Gradients(s.Reduce(backend.ReduceArgmax, s.p(2)), nil, s.p(2)) }, backend.ErrType, `Gradients "c2": "c2" is int32, expected float32`},
		{"gradient with respect to integers", func(s *subject) { s.Gradients(s.p(2), nil, intInput(s, 0, 2)) }, backend.ErrType, `Gradients "c2": "int0 [2]" is int32`},
		{"gradient of a target", func(s *subject) {
			target := s.p(2, 3)
			s.Gradients(s.Loss(backend.MeanSquaredError, s.p(2, 3), target, nil, 1), nil, target)
		}, backend.ErrUnsupported, `MeanSquaredError "c2": not supported: it has no gradient with respect to its target or weights`},
		{"gradient of batch statistics", func(s *subject) {
			x := s.p(4, 2)
			_, mean, _ := s.BatchNorm(x, s.p(2), s.p(2), 1)
			s.Gradients(mean, nil, x)
		}, backend.ErrUnsupported, `BatchNorm "c2": not supported: the batch statistics have no gradient`},
		{"gradient of running statistics", func(s *subject) {
			mean := s.p(2)
			s.Gradients(s.BatchNormInference(s.p(4, 2), s.p(2), s.p(2), mean, s.p(2), 1), nil, mean)
		}, backend.ErrUnsupported, `BatchNormInference "c2": not supported: the statistics have no gradient`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSubject()
			s.In("c2", func() { c.build(s) })
			require.ErrorIs(t, s.Err(), c.is)
			assert.ErrorContains(t, s.Err(), "graph: "+c.text)
		})
	}
}

// Whatever is done with a node that is none of the graph's is an error that counts
// the operand.
func TestForeignNodes(t *testing.T) {
	foreign := newSubject().p(1, 2, 2, 2)
	for _, n := range []*graph.Node{nil, foreign, new(graph.Node)} {
		found := "a node of another graph"
		if n == nil {
			found = "nil"
		}
		for _, c := range []struct {
			what    string
			operand int
			build   func(s *subject, x *graph.Node)
		}{
			{"Conv2D", 0, func(s *subject, x *graph.Node) { s.Conv2D(n, x, nil, plain, 1) }},
			{"Conv2D", 1, func(s *subject, x *graph.Node) { s.Conv2D(x, n, nil, plain, 1) }},
			{"MatMul", 1, func(s *subject, x *graph.Node) { s.MatMul(x, n, nil, false, false) }},
			{"MaxPool2D", 0, func(s *subject, x *graph.Node) { s.MaxPool2D(n, 1, 1, plain) }},
			{"AvgPool2D", 0, func(s *subject, x *graph.Node) { s.AvgPool2D(n, 1, 1, plain, false) }},
			{"Pad", 0, func(s *subject, x *graph.Node) { s.Pad(n, backend.Padding{}) }},
			{"Resize", 0, func(s *subject, x *graph.Node) { s.Resize(n, 1, 1, backend.Area) }},
			{"Unary", 0, func(s *subject, x *graph.Node) { s.Unary(backend.Exp, 0, n) }},
			{"Unary", 0, func(s *subject, x *graph.Node) { s.Activate(n, backend.Activation{Func: backend.Tanh}) }},
			{"Mul", 1, func(s *subject, x *graph.Node) { s.Mul(x, n) }},
			{"Less", 0, func(s *subject, x *graph.Node) { s.Compare(backend.Less, n, x) }},
			{"Select", 2, func(s *subject, x *graph.Node) { s.Select(x, x, n) }},
			{"Reduce", 0, func(s *subject, x *graph.Node) { s.Reduce(backend.Sum, n) }},
			{"Broadcast", 0, func(s *subject, x *graph.Node) { s.Broadcast(n, backend.Shape{1}) }},
			{"Reshape", 0, func(s *subject, x *graph.Node) { s.Reshape(n, -1) }},
			{"Slice", 0, func(s *subject, x *graph.Node) { s.Slice(n, nil, nil) }},
			{"Concatenate", 1, func(s *subject, x *graph.Node) { s.Concatenate(0, x, n) }},
			{"Transpose", 0, func(s *subject, x *graph.Node) { s.Transpose(n) }},
			{"Gather", 1, func(s *subject, x *graph.Node) { s.Gather(x, n, nil, nil) }},
			{"Convert", 0, func(s *subject, x *graph.Node) { s.Convert(n, nil, nil) }},
			{"Softmax", 0, func(s *subject, x *graph.Node) { s.Softmax(n, true) }},
			{"Maxout", 0, func(s *subject, x *graph.Node) { s.Maxout(n, 1) }},
			{"Dropout", 0, func(s *subject, x *graph.Node) { s.Dropout(n, 0, 1) }},
			{"BatchNorm", 2, func(s *subject, x *graph.Node) { s.BatchNorm(x, x, n, 1) }},
			{"BatchNormInference", 4, func(s *subject, x *graph.Node) { s.BatchNormInference(x, x, x, x, n, 1) }},
			{"MeanSquaredError", 1, func(s *subject, x *graph.Node) { s.Loss(backend.MeanSquaredError, x, n, nil, 1) }},
			{"Gradients", 0, func(s *subject, x *graph.Node) { s.Gradients(n, nil, x) }},
			{"Gradients", 1, func(s *subject, x *graph.Node) { s.Gradients(x, nil, n) }},
			{"Track", 1, func(s *subject, x *graph.Node) { s.Track(graph.Tracking{State: x, Value: n}) }},
		} {
			s := newSubject()
			x := s.p(1, 2, 2, 2)
			c.build(s, x)
			require.ErrorIs(t, s.Err(), backend.ErrShape, c.what)
			assert.ErrorContains(t, s.Err(), fmt.Sprintf("graph: %s: operand %d is %s", c.what, c.operand, found), c.what)
		}
	}
	for what, build := range map[string]func(s *subject, x *graph.Node){
		"Conv2D: operand 2":           func(s *subject, x *graph.Node) { s.Conv2D(x, x, foreign, plain, 1) },
		"MatMul: operand 2":           func(s *subject, x *graph.Node) { s.MatMul(x, x, foreign, false, false) },
		"MeanSquaredError: operand 2": func(s *subject, x *graph.Node) { s.Loss(backend.MeanSquaredError, x, x, foreign, 1) },
		"Gather: operand 2":           func(s *subject, x *graph.Node) { s.Gather(x, x, foreign, x) },
		"Gradients: operand 2":        func(s *subject, x *graph.Node) { s.Gradients(x, foreign, x) },
	} {
		s := newSubject()
		build(s, s.p(1, 2, 2, 2))
		require.ErrorIs(t, s.Err(), backend.ErrShape)
		assert.ErrorContains(t, s.Err(), "graph: "+what+" is a node of another graph")
	}
}

// The first error stays: what follows changes nothing, and nothing can be lowered.
func TestTheFirstErrorStays(t *testing.T) {
	s := newSubject()
	x := s.p(2, 3)
	bad := s.MatMul(x, x, nil, false, false)
	first := s.Err()
	require.Error(t, first)
	assert.Nil(t, bad.Shape())
	assert.Same(t, bad, s.Add(bad, x))
	assert.Same(t, bad, s.Add(x, x))
	assert.Same(t, bad, s.Parameter("later", backend.Shape{1}))
	assert.Same(t, bad, s.Dropout(x, 0.5, 1))
	assert.Same(t, bad, s.Gradients(x, nil, x)[0])
	assert.Nil(t, s.Leaf("later"))
	cause := errors.New("a second mistake")
	assert.Same(t, bad, s.Fail(cause))
	assert.Same(t, first, s.Err())
	_, err := s.Lower(graph.Lowering{})
	assert.Same(t, first, err)
	_, err = s.LowerInference("x", s.Layout(nil))
	assert.Same(t, first, err)
	_, err = s.LowerTraining("x", graph.Training{})
	assert.Same(t, first, err)
}

// Layers report mistakes of their own in the same words; labels nest.
func TestFail(t *testing.T) {
	cause := errors.New("too many layers")
	for _, c := range []struct {
		label string
		err   error
		text  string
	}{
		{"", cause, "graph: too many layers"},
		{"c2", cause, `graph: "block/c2": too many layers`},
		{"c2", fmt.Errorf("%w: rate 2, expected less than 1", backend.ErrShape), `graph: "block/c2": rate 2, expected less than 1`},
	} {
		g := graph.New()
		block := ""
		if c.label != "" {
			block = "block"
		}
		g.In(block, func() { g.In(c.label, func() { g.Fail(c.err) }) })
		assert.EqualError(t, g.Err(), c.text)
		assert.ErrorIs(t, g.Err(), c.err)
		assert.Empty(t, g.Label())
	}
}

// A leaf declared twice alike is one leaf: that is how weights are tied.
func TestSharedLeaves(t *testing.T) {
	g := graph.New()
	w := g.Parameter("w", backend.Shape{2, 3})
	assert.Same(t, w, g.Parameter("w", backend.Shape{2, 3}))
	assert.Same(t, w, g.Leaf("w"))
	i := g.Input("i", backend.Int32, backend.Shape{2}, 3)
	v := g.State("v", backend.Shape{4})
	assert.Equal(t, []*graph.Node{w}, g.Leaves(graph.Parameter))
	assert.Equal(t, []*graph.Node{i}, g.Leaves(graph.Input))
	assert.Equal(t, []*graph.Node{v}, g.Leaves(graph.State))
	assert.Equal(t, "Parameter Input State Computed", fmt.Sprint(w.Role(), " ", i.Role(), " ", v.Role(), " ", g.Add(w, w).Role()))
	assert.Equal(t, 3, i.Limit())
	require.NoError(t, g.Err())
}
