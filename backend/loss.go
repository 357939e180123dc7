package backend

import (
	"fmt"
	"math"
)

// LossKind is a loss function. z is the Input's row of one example, D long, t its
// target: a row of D numbers, or the index y of a class (then t is its one-hot
// row).
type LossKind uint8

// The losses of the lecture ("What Is 𝓛?") and their relatives.
const (
	// SoftmaxCrossEntropy of logits: −Σ_j t_j·ln softmax(z)_j, where a t_j of 0 contributes 0. Target: index or distribution.
	// ∂ℓ/∂z_j = softmax(z)_j·Σ_k t_k − t_j.
	SoftmaxCrossEntropy LossKind = iota
	// KLDivergence of logits: KL(t ‖ softmax(z)) = Σ_j t_j·(ln t_j − ln softmax(z)_j), where a t_j of 0
	// contributes 0. Target: distribution. Its gradient is that of SoftmaxCrossEntropy.
	KLDivergence
	// SigmoidCrossEntropy of logits, the mean over the D outputs of −t_j·ln σ(z_j) − (1−t_j)·ln(1−σ(z_j)),
	// computed as max(z,0) − z·t + ln(1+e^−|z|). Target: numbers from 0 to 1. ∂ℓ/∂z_j = (σ(z_j) − t_j)/D.
	SigmoidCrossEntropy
	// NegativeLogLikelihood of probabilities: −Σ_j t_j·ln z_j, where a t_j of 0 contributes 0. Target: index
	// or distribution. ∂ℓ/∂z_j = −t_j/z_j.
	NegativeLogLikelihood
	// MeanSquaredError, the mean over the D outputs of (z_j − t_j)². Target: numbers. ∂ℓ/∂z_j = 2(z_j − t_j)/D.
	MeanSquaredError
	// MultiClassHinge of scores: Σ_{j≠y} max(0, 1 − z_y + z_j) (Weston and Watkins 1999). Target: index.
	// ∂ℓ/∂z_j = 1 for j ≠ y if 1 − z_y + z_j > 0, else 0; ∂ℓ/∂z_y = −Σ_{j≠y} ∂ℓ/∂z_j.
	MultiClassHinge
	lossKinds
)

func (k LossKind) String() string {
	names := [lossKinds]string{"SoftmaxCrossEntropy", "KLDivergence", "SigmoidCrossEntropy", "NegativeLogLikelihood", "MeanSquaredError", "MultiClassHinge"}
	if k >= lossKinds {
		return fmt.Sprintf("LossKind(%d)", uint8(k))
	}
	return names[k]
}

// LossKinds lists all losses.
func LossKinds() []LossKind {
	return []LossKind{SoftmaxCrossEntropy, KLDivergence, SigmoidCrossEntropy, NegativeLogLikelihood, MeanSquaredError, MultiClassHinge}
}

// TakesIndex reports whether targets may be class indices.
func (k LossKind) TakesIndex() bool {
	return k == SoftmaxCrossEntropy || k == NegativeLogLikelihood || k == MultiClassHinge
}

// TakesRows reports whether targets may be rows of numbers.
func (k LossKind) TakesRows() bool { return k != MultiClassHinge }

// Loss computes the loss of each example, weighted.
//
//	Input   [N, …]   seen as [N, D]
//	Target  [N]      Int32 class indices below D, or [as Input] numbers
//	Weights [N]      optional; 1 where left out
//	Losses  [N]      overwritten
//
//	Losses[i] = Weights[i]·ℓ(Input[i], Target[i])/Divisor
//
// so that their sum is L = Σ wᵢℓᵢ/Z. An example of weight 0 contributes exactly
// 0, whatever its input. Its adjoint in Input is LossGrad.
type Loss struct {
	Losses, Input, Target, Weights View
	Func                           LossKind
	Divisor                        float64
}

func (c *checker) loss(input, target, weights View, k LossKind, divisor float64) {
	c.that(k < lossKinds, "unknown loss %v", k)
	c.that(divisor > 0 && !math.IsInf(divisor, 0), "Divisor is %g, expected a positive number", divisor)
	c.float("Input", input, -1)
	c.that(len(input.Shape) >= 1, "Input is a scalar, expected examples")
	c.typed("Target", target, Float32, Int32)
	if c.err != nil {
		return
	}
	n := Shape{input.Shape[0]}
	if target.DType == Int32 {
		c.that(k.TakesIndex(), "%v takes rows of numbers as targets, found indices", k)
		c.shapedAs("Target", target, Int32, n)
	} else {
		c.that(k.TakesRows(), "%v takes class indices as targets, found rows of numbers", k)
		c.shaped("Target", target, input.Shape)
	}
	c.optional("Weights", weights, n)
}

func lossIndices(input, target View) (View, int) {
	if target.DType != Int32 {
		return View{}, 0
	}
	return target, input.Shape.Elements() / input.Shape[0]
}

// Kind returns "Loss".
func (*Loss) Kind() string { return "Loss" }

// Operands lists Losses, Input, Target and Weights.
func (o *Loss) Operands() []Operand {
	return operands{}.out("Losses", &o.Losses).in("Input", &o.Input).in("Target", &o.Target).in("Weights", &o.Weights)
}

func (o *Loss) indices() (View, int) { return lossIndices(o.Input, o.Target) }

// Check implements Op.
func (o *Loss) Check() error {
	c := check(o)
	c.loss(o.Input, o.Target, o.Weights, o.Func, o.Divisor)
	if c.err == nil {
		c.shaped("Losses", o.Losses, o.Input.Shape[:1])
	}
	return c.err
}

// Cost counts six FLOPs for each element of Input.
func (o *Loss) Cost() Cost { return cost(o, 6*o.Input.Shape.Elements()) }

// LossGrad computes the gradient of a Loss's input.
//
//	DX     [as Input]         overwritten; may be Input
//	Input, Target, Weights    as in Loss
//	Seed   [N] or [1]         the gradient of Losses, or of each of them alike
//
//	g[i,j] = Seed[i]·Weights[i]/Divisor·∂ℓ/∂z_j
//	DX = (g + Addend)·σ′(Output)
//
// An example of weight 0 has the gradient 0, whatever its input.
type LossGrad struct {
	DX, Input, Target, Weights, Seed View
	Func                             LossKind
	Divisor                          float64
	GradEpilogue
}

// Kind returns "LossGrad".
func (*LossGrad) Kind() string { return "LossGrad" }

// Operands lists DX, Input, Target, Weights, Seed and the epilogue's.
func (o *LossGrad) Operands() []Operand {
	return operands{}.out("DX", &o.DX).inPlace("Input", &o.Input).in("Target", &o.Target).in("Weights", &o.Weights).in("Seed", &o.Seed).epilogue(&o.GradEpilogue)
}

func (o *LossGrad) indices() (View, int) { return lossIndices(o.Input, o.Target) }

// Check implements Op.
func (o *LossGrad) Check() error {
	c := check(o)
	c.loss(o.Input, o.Target, o.Weights, o.Func, o.Divisor)
	c.shaped("DX", o.DX, o.Input.Shape)
	c.float("Seed", o.Seed, 1)
	if c.err == nil {
		n := o.Input.Shape[0]
		c.that(o.Seed.Shape[0] == n || o.Seed.Shape[0] == 1, "Seed is %v, expected [%d] or [1]", o.Seed.Shape, n)
	}
	c.epilogue(o.GradEpilogue, o.DX.Shape)
	return c.err
}

// Cost counts six FLOPs for each element of Input.
func (o *LossGrad) Cost() Cost { return cost(o, 6*o.Input.Shape.Elements()+o.GradEpilogue.flops()) }
