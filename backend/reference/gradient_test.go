package reference

import (
	"math"

	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// adjoint tests ⟨Kx, y⟩ = ⟨x, Kᴴy⟩ on random x and y, which fixes a linear Op's
// adjoint: forward reads x and writes kx, backward reads y and writes khy. Both
// sides are the same sum in another order, so they differ by rounding alone: less
// than eps for each of at most 10⁴ terms of Σ|…|.
func (r *rig) adjoint(forward backend.Op, x, kx backend.View, backward backend.Op, y, khy backend.View) {
	r.t.Helper()
	xs, ys := r.fill(x), r.fill(y)
	r.run(forward)
	r.run(backward)
	left, size := dot(r.get(kx), ys)
	right, _ := dot(xs, r.get(khy))
	require.NotZero(r.t, size)
	require.InDelta(r.t, left, right, 1e4*0x1p-52*size, "⟨Kx, y⟩ and ⟨x, Kᴴy⟩ of %s", forward.Kind())
}

// dot returns Σ a·b and Σ |a·b|.
func dot(a, b []float64) (sum, size float64) {
	for i, v := range a {
		sum += v * b[i]
		size += math.Abs(v * b[i])
	}
	return sum, size
}

// gradient tests that backward, which reads dy and writes dx, differentiates
// forward, which reads x and writes y: for a random dy the element dx[i] is the
// central difference of ⟨dy, y⟩ in x[i]. x keeps its contents, which must lie
// further than 10⁻⁴ from kinks and ties.
//
// With the step h = 10⁻⁵ the difference errs by h²/6 times a third derivative, at
// most about 10⁻⁹ here, and by eps/h = 2·10⁻¹¹ times the size of the sum.
func (r *rig) gradient(forward backend.Op, x, y backend.View, backward backend.Op, dy, dx backend.View) {
	r.t.Helper()
	const h = 1e-5
	run := r.compile(forward)
	defer func() { require.NoError(r.t, run.Close()) }()
	require.NoError(r.t, run.Run(r.t.Context()))
	weights := r.fill(dy)
	r.run(backward)
	got := r.get(dx)
	values := r.get(x)
	at := func(i int, v float64) (sum, size float64) {
		old := values[i]
		values[i] = v
		r.set(x, values)
		values[i] = old
		require.NoError(r.t, run.Run(r.t.Context()))
		return dot(r.get(y), weights)
	}
	for i, v := range values {
		up, size := at(i, v+h)
		down, _ := at(i, v-h)
		require.InDelta(r.t, (up-down)/(2*h), got[i], 1e-8+1e-10*size, "%s of %s, element %d", backward.Kind(), forward.Kind(), i)
	}
	r.set(x, values)
}
