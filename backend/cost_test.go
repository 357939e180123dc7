package backend

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestCostOfLeNet5 counts the layers of LeNet-5 for a batch of 64, by hand.
func TestCostOfLeNet5(t *testing.T) {
	const n = 64
	conv1 := &Conv2D{Y: f32(n, 28, 28, 6), X: f32(n, 28, 28, 1), W: f32(6, 5, 5, 1), Window: plainWindow, Groups: 1}
	conv1.PadTop, conv1.PadBottom, conv1.PadLeft, conv1.PadRight = 2, 2, 2, 2
	conv2 := &Conv2D{Y: f32(n, 10, 10, 16), X: f32(n, 14, 14, 6), W: f32(16, 5, 5, 6), B: f32(16), Window: plainWindow, Groups: 1, Activation: Activation{Func: ReLU}}
	dense := &MatMul{C: f32(n, 120), A: f32(n, 400), B: f32(120, 400), TransposeB: true, Bias: f32(120), Activation: Activation{Func: ReLU}}
	for _, c := range []struct {
		op           Op
		flops, bytes int64
	}{
		{conv1, n * 2 * 28 * 28 * 6 * 25, 4 * (n*28*28*6 + n*28*28 + 150)},
		{conv2, n * (2*10*10*16*25*6 + 2*10*10*16), 4 * (n*1600 + n*14*14*6 + 2400 + 16)},
		{dense, n * (2*400*120 + 2*120), 4 * (n*120 + n*400 + 48000 + 120)},
	} {
		assert.NoError(t, c.op.Check())
		assert.Equal(t, Cost{c.flops, c.bytes}, c.op.Cost(), c.op.Kind())
	}
}

// TestCost counts small Ops by hand: FLOPs, and bytes once for each way that an
// operand is accessed.
func TestCost(t *testing.T) {
	window := Window{StrideH: 2, StrideW: 2, DilationH: 1, DilationW: 1}
	for _, c := range []struct {
		op           Op
		flops, bytes int64
	}{
		{&Conv2D{Y: f32(1, 3, 3, 4), X: f32(1, 3, 3, 4), W: f32(4, 1, 1, 1), Window: plainWindow, Groups: 4}, 2 * 36, 4 * (36 + 36 + 4)},
		{&MatMul{C: f32(2, 3), A: f32(5, 2), B: f32(5, 3), TransposeA: true}, 2 * 5 * 6, 4 * (6 + 10 + 15)},
		{&MatMul{C: f32(2, 3), A: f32(2, 5), B: f32(5, 3), Accumulate: true}, 2 * 5 * 6, 4 * (2*6 + 10 + 15)},
		{&MatMul{C: f32(2, 3), A: f32(2, 5), B: f32(5, 3), GradEpilogue: GradEpilogue{Addend: f32(2, 3), Output: f32(2, 3), Derivative: Activation{Func: Tanh}}}, 60 + 6 + 12, 4 * (3*6 + 10 + 15)},
		{&MaxPool2D{Y: f32(1, 2, 2, 3), X: f32(1, 4, 4, 3), KernelH: 2, KernelW: 2, Window: window}, 48, 4 * (12 + 48)},
		{&AvgPool2D{Y: f32(1, 2, 2, 3), X: f32(1, 4, 4, 3), KernelH: 2, KernelW: 2, Window: window}, 60, 4 * (12 + 48)},
		{&Unary{Y: f32(7), X: f32(7), Func: Tanh}, 7, 56},
		{&Reduce{Y: f32(1), X: f32(7), Axes: []int{0}}, 7, 32},
		{&Fill{Y: f32(7)}, 0, 28},
		{&Copy{Y: u8(2, 7), X: u8(7)}, 0, 21},
		{&Slice{Y: f32(3), X: f32(100), Start: []int{4}}, 0, 24},
		{&Gather{Y: f32(2, 3), X: u8(100, 3), Indices: i32(2), Scale: f32(3), Shift: f32(3)}, 12, 24 + 6 + 8},
		{&ScatterAdd{Y: f32(100, 3), X: f32(2, 3), Indices: i32(2)}, 6, 3*24 + 8},
		{&Resize{Y: f32(1, 2, 2, 3), X: f32(1, 4, 4, 3), Mode: Area}, 2 * 3 * 4 * 4, 4 * (12 + 48)},
		{&Resize{Y: f32(1, 2, 2, 3), X: f32(1, 4, 4, 3)}, 0, 4 * (12 + 48)},
		{&MovingAverage{Y: f32(5), X: f32(5), Momentum: 0.1, Scale: 1}, 15, 60},
		{&OptimizerStep{Parameters: f32(9), Gradients: f32(9), LearningRate: f32(1), Step: i32(1), Segments: []Segment{{Length: 4}, {Offset: 5, Length: 3, WeightDecay: 1}}}, 2*7 + 2*3, 4 * (3*9 + 2)},
	} {
		assert.NoError(t, c.op.Check(), c.op.Kind())
		assert.Equal(t, Cost{c.flops, c.bytes}, c.op.Cost(), c.op.Kind())
	}
}

// TestCostOfEveryKind: every Op moves at least the bytes that it writes, and the
// cost of a Program is the sum.
func TestCostOfEveryKind(t *testing.T) {
	p := NewProgram("all")
	var sum Cost
	for kind, op := range validOps() {
		written := int64(0)
		for _, o := range op.Operands() {
			if o.Access == Write {
				written += int64(o.View.Bytes())
			}
		}
		c := op.Cost()
		assert.Positive(t, c.Bytes, kind)
		assert.GreaterOrEqual(t, c.Bytes, written, kind)
		assert.GreaterOrEqual(t, c.FLOPs, int64(0), kind)
		p.Add("", op)
		sum = sum.Add(c)
	}
	assert.Equal(t, sum, p.Cost())
}
