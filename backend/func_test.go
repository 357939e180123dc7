package backend

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestFuncDerivatives compares each derivative with a central difference of the
// function: with h = 1e-6 the difference errs by h²·f‴/6 and by 1e-16/h, below
// 1e-8 for these.
func TestFuncDerivatives(t *testing.T) {
	for _, f := range Funcs() {
		rule := f.Rule()
		for _, x := range []float64{-1.7, -0.3, 0.4, 1.2, 2.6} {
			if x < 0 && (f == Sqrt || f == Rsqrt || f == Log || f == Power) {
				continue
			}
			for _, alpha := range []float64{0, 0.5, 1.5} {
				const h = 1e-6
				y := rule.Value(x, alpha)
				want := (rule.Value(x+h, alpha) - rule.Value(x-h, alpha)) / (2 * h)
				// What the rule does not need is not given.
				givenX, givenY := math.NaN(), math.NaN()
				if rule.NeedsX {
					givenX = x
				}
				if rule.NeedsY {
					givenY = y
				}
				assert.InDelta(t, want, rule.Derivative(givenX, givenY, alpha), 1e-7, "%v at %g, α = %g", f, x, alpha)
			}
		}
		assert.False(t, rule.Activation && rule.NeedsX, "%v: a fused derivative is computed from the output", f)
		assert.NotEmpty(t, rule.Name)
	}
}

func TestFuncEdges(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		f              Func
		x, alpha, want float64
	}{
		{ReLU, -inf, 0, 0}, {ReLU, nan, 0, nan}, {ReLU, inf, 0, inf}, {LeakyReLU, -inf, 0.1, -inf}, {LeakyReLU, -2, 0.25, -0.5},
		{ELU, -inf, 0.5, -0.5}, {ELU, nan, 1, nan}, {Sigmoid, -inf, 0, 0}, {Sigmoid, inf, 0, 1}, {Sign, nan, 0, nan}, {Sign, -3, 0, -1}, {Sign, 0, 0, 0},
		{Softplus, 1000, 0, 1000}, {Softplus, -1000, 0, 0}, {Softplus, 0, 0, math.Ln2}, {Log, 0, 0, -inf}, {Sqrt, -1, 0, nan}, {Reciprocal, 0, 0, inf},
	} {
		got := c.f.Rule().Value(c.x, c.alpha)
		if math.IsNaN(c.want) {
			assert.True(t, math.IsNaN(got), "%v(%g) = %g", c.f, c.x, got)
			continue
		}
		assert.Equal(t, c.want, got, "%v(%g)", c.f, c.x)
	}
	// At the kink the derivative is that of the left side.
	assert.Equal(t, 0.0, ReLU.Rule().Derivative(0, 0, 0.5))
	assert.Equal(t, 0.5, LeakyReLU.Rule().Derivative(0, 0, 0.5))
	assert.Equal(t, 0.5, ELU.Rule().Derivative(0, 0, 0.5))
}

func TestEnumerationsHaveNames(t *testing.T) {
	names := map[string]bool{}
	note := func(s string) {
		assert.NotContains(t, s, "(", "%s has no name", s)
		assert.False(t, names[s], "%s twice", s)
		names[s] = true
	}
	for _, f := range Funcs() {
		note("Func " + f.String())
	}
	for _, f := range BinaryFuncs() {
		note("BinaryFunc " + f.String())
	}
	for _, f := range CompareFuncs() {
		note("CompareFunc " + f.String())
	}
	for _, f := range ReduceFuncs() {
		note("ReduceFunc " + f.String())
	}
	for _, k := range LossKinds() {
		note("LossKind " + k.String())
		assert.True(t, k.TakesIndex() || k.TakesRows(), k)
	}
	for _, r := range OptimizerRules() {
		note("OptimizerRule " + r.String())
	}
	for m := range resizeModes {
		note("ResizeMode " + m.String())
	}
	assert.Len(t, Funcs(), int(funcCount))
	assert.Len(t, BinaryFuncs(), int(binaryFuncs))
	assert.Len(t, CompareFuncs(), int(compareFuncs))
	assert.Len(t, ReduceFuncs(), int(reduceFuncs))
	assert.Len(t, LossKinds(), int(lossKinds))
	assert.Len(t, OptimizerRules(), int(optimizerRules))
	for _, s := range []string{Func(99).String(), BinaryFunc(99).String(), CompareFunc(99).String(), ReduceFunc(99).String(), LossKind(99).String(), OptimizerRule(99).String(), ResizeMode(99).String()} {
		assert.Contains(t, s, "(99)")
	}
	assert.Equal(t, "LeakyReLU(0.1)", Activation{Func: LeakyReLU, Alpha: 0.1}.String())
	assert.Equal(t, "Tanh", Activation{Func: Tanh}.String())
}
