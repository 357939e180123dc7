package reference

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
)

func TestLoss(t *testing.T) {
	ln := math.Log
	for _, c := range []struct {
		kind    backend.LossKind
		input   []float64
		index   int32 // −1: rows
		target  []float64
		want    float64
		wantDZ  []float64
		comment string
	}{
		{backend.SoftmaxCrossEntropy, []float64{0, ln(3)}, 1, nil, -ln(0.75), []float64{0.25, -0.25}, "softmax is 1/4, 3/4"},
		{backend.SoftmaxCrossEntropy, []float64{0, ln(3)}, -1, []float64{0.5, 0.25}, -0.5*ln(0.25) - 0.25*ln(0.75), []float64{0.1875 - 0.5, 0.5625 - 0.25}, "targets sum to 3/4"},
		{backend.SoftmaxCrossEntropy, []float64{1000, math.Inf(-1)}, 0, nil, 0, []float64{0, 0}, "no overflow, no 0·∞"},
		{backend.KLDivergence, []float64{0, ln(3)}, -1, []float64{0.5, 0.5}, 0.5*ln(0.5/0.25) + 0.5*ln(0.5/0.75), []float64{-0.25, 0.25}, ""},
		{backend.KLDivergence, []float64{0, ln(3)}, -1, []float64{0, 1}, -ln(0.75), []float64{0.25, -0.25}, "0·ln 0 = 0"},
		{backend.SigmoidCrossEntropy, []float64{0, ln(3)}, -1, []float64{1, 0}, (-ln(0.5) - ln(0.25)) / 2, []float64{-0.25, 0.375}, "σ is 1/2, 3/4"},
		{backend.SigmoidCrossEntropy, []float64{1000, -1000}, -1, []float64{0, 1}, 1000, []float64{0.5, -0.5}, "no overflow"},
		{backend.NegativeLogLikelihood, []float64{0.2, 0.8}, 1, nil, -ln(0.8), []float64{0, -1.25}, ""},
		{backend.NegativeLogLikelihood, []float64{0, 0.5}, -1, []float64{0, 0.5}, -0.5 * ln(0.5), []float64{0, -1}, "a target of 0 contributes 0"},
		{backend.MeanSquaredError, []float64{1, 4}, -1, []float64{0, 2}, 2.5, []float64{1, 2}, "(1 + 4)/2"},
		{backend.MultiClassHinge, []float64{1, 2, 4}, 1, nil, 3, []float64{0, -1, 1}, "a margin of exactly 1 is enough"},
		{backend.MultiClassHinge, []float64{1, 0, 4}, 1, nil, 7, []float64{1, -2, 1}, ""},
	} {
		t.Run(fmt.Sprint(c.kind, c.input, c.index), func(t *testing.T) {
			// Three examples: the case, twice with half the weight, and NaN with weight 0.
			r := newRig(t)
			d := len(c.input)
			nan := make([]float64, d)
			for i := range nan {
				nan[i] = math.NaN()
			}
			repeat := func(s []float64, last []float64) []float64 {
				return append(append(append([]float64{}, s...), s...), last...)
			}
			input := r.floats(repeat(c.input, nan), 3, d)
			var target backend.View
			if c.index >= 0 {
				target = r.ints(d, []int32{c.index, c.index, 0}, 3)
			} else {
				target = r.floats(repeat(c.target, nan), 3, d)
			}
			weights, losses, dx := r.vector(1, 0.5, 0), r.out(3), r.out(3, d)
			r.run(&backend.Loss{Losses: losses, Input: input, Target: target, Weights: weights, Func: c.kind, Divisor: 4})
			got := r.get(losses)
			ulps := 8 * 0x1p-52 * math.Max(1, math.Abs(c.want)) // a few roundings of terms no larger than the loss or 1
			assert.InDelta(t, c.want/4, got[0], ulps, c.comment)
			assert.InDelta(t, c.want/8, got[1], ulps, c.comment)
			assert.Zero(t, got[2])
			grad := &backend.LossGrad{DX: dx, Input: input, Target: target, Weights: weights, Seed: r.vector(4, 8, 1), Func: c.kind, Divisor: 4}
			r.run(grad)
			assert.InDeltaSlice(t, repeat(c.wantDZ, make([]float64, d)), r.get(dx), 1e-15, "seed/divisor is 1, and 2 at half the weight: %s", c.comment)
			grad.Seed = r.vector(4)
			grad.DX = input
			r.run(grad)
			got = r.get(input)
			assert.InDeltaSlice(t, c.wantDZ, got[:d], 1e-15)
			for i, g := range c.wantDZ {
				assert.InDelta(t, g/2, got[d+i], 1e-15)
			}
		})
	}
}

func TestLossGrad(t *testing.T) {
	for _, kind := range backend.LossKinds() {
		for _, rows := range []bool{false, true} {
			if rows && !kind.TakesRows() || !rows && !kind.TakesIndex() {
				continue
			}
			t.Run(fmt.Sprint(kind, rows), func(t *testing.T) {
				r := newRig(t)
				input, losses, seed, dx := r.normal(3, 4), r.out(3), r.out(3), r.out(3, 4)
				positive := func(v backend.View) {
					s := r.get(v)
					for i, x := range s {
						s[i] = 0.1 + math.Abs(x)
					}
					r.set(v, s)
				}
				if kind == backend.NegativeLogLikelihood {
					positive(input)
				}
				var target backend.View
				if rows {
					target = r.normal(3, 4)
					positive(target)
				} else {
					target = r.ints(4, []int32{3, 0, 2}, 3)
				}
				weights := r.vector(0.5, 2, 1)
				r.gradient(&backend.Loss{Losses: losses, Input: input, Target: target, Weights: weights, Func: kind, Divisor: 2.5}, input, losses,
					&backend.LossGrad{DX: dx, Input: input, Target: target, Weights: weights, Seed: seed, Func: kind, Divisor: 2.5}, seed, dx)
			})
		}
	}
}
