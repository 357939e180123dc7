package reference

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
)

func TestDropout(t *testing.T) {
	const n, rate = 1000, 0.375
	r := newRig(t)
	x, y := r.normal(10, 100), r.out(10, 100)
	high, low := uint32(0x9abcdef0), uint32(0xf2345678)
	seed := uint64(high)<<32 | uint64(low)
	draw := r.ints(0, []int32{int32(low), int32(high), -5}, 3)
	r.run(&backend.Dropout{Y: y, X: x, Draw: draw, Rate: rate, Stream: 3})
	want, kept := r.get(x), 0
	for e := range want {
		if backend.Uniform(seed, uint64(e), 3, 0xfffffffb) < rate {
			want[e] = 0
			continue
		}
		want[e] /= 1 - rate
		kept++
	}
	assert.Equal(t, want, r.get(y))
	assert.InDelta(t, n*(1-rate), kept, 5*15.3, "five standard deviations, √(n·rate·(1 − rate)) each")
	r.run(&backend.Dropout{Y: x, X: x, Draw: draw, Rate: rate, Stream: 3})
	assert.Equal(t, want, r.get(x), "in place")
	r.run(&backend.Dropout{Y: y, X: x, Draw: draw, Rate: 0, Stream: 3})
	assert.Equal(t, want, r.get(y), "a rate of 0 drops nothing")
	r.fill(x)
	least := backend.Uniform(seed, 0, 3, 0xfffffffb)
	r.run(&backend.Dropout{Y: y, X: x, Draw: draw, Rate: least, Stream: 3})
	assert.Equal(t, r.get(x)[0]/(1-least), r.get(y)[0], "a draw that equals the rate is kept")
}

func TestDropoutAdjoint(t *testing.T) {
	r := newRig(t)
	x, y, dy, dx := r.normal(7, 5), r.out(7, 5), r.normal(7, 5), r.out(7, 5)
	draw := r.ints(0, []int32{1, 2, 3}, 3)
	r.adjoint(&backend.Dropout{Y: y, X: x, Draw: draw, Rate: 0.5}, x, y, &backend.DropoutGrad{DX: dx, DY: dy, Draw: draw, Rate: 0.5}, dy, dx)
}
