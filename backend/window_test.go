package backend

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWindowOutputLecture is the lecture's (Input − Filter + 2·Padding)/Stride + 1.
func TestWindowOutputLecture(t *testing.T) {
	for _, c := range []struct{ input, filter, padding, stride, want int }{
		{5, 3, 0, 1, 3}, {5, 3, 1, 1, 5}, {28, 5, 2, 1, 28}, {14, 5, 0, 1, 10}, {224, 7, 3, 2, 112}, {227, 11, 0, 4, 55}, {1, 1, 0, 1, 1}, {7, 7, 0, 3, 1},
	} {
		w := Window{StrideH: c.stride, StrideW: c.stride, DilationH: 1, DilationW: 1, PadTop: c.padding, PadBottom: c.padding, PadLeft: c.padding, PadRight: c.padding}
		oh, ow, err := w.Output(c.input, c.input, c.filter, c.filter)
		require.NoError(t, err)
		assert.Equal(t, c.want, oh, "%+v", c)
		assert.Equal(t, c.want, ow, "%+v", c)
		assert.Equal(t, (c.input-c.filter+2*c.padding)/c.stride+1, oh)
	}
}

// TestWindowOutputCounts counts the places where the dilated kernel fits.
func TestWindowOutputCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	count := func(n, k, stride, dilation, before, after int) (places int) {
		for at := -before; at+dilation*(k-1) < n+after; at += stride {
			places++
		}
		return places
	}
	for range 2000 {
		n := func(lo, hi int) int { return lo + r.IntN(hi-lo+1) }
		w := Window{StrideH: n(1, 4), StrideW: n(1, 4), DilationH: n(1, 3), DilationW: n(1, 3), PadTop: n(0, 3), PadBottom: n(0, 3), PadLeft: n(0, 3), PadRight: n(0, 3)}
		h, width, kh, kw := n(1, 12), n(1, 12), n(1, 5), n(1, 5)
		wantH, wantW := count(h, kh, w.StrideH, w.DilationH, w.PadTop, w.PadBottom), count(width, kw, w.StrideW, w.DilationW, w.PadLeft, w.PadRight)
		oh, ow, err := w.Output(h, width, kh, kw)
		if wantH == 0 || wantW == 0 {
			require.ErrorIs(t, err, ErrShape, "%+v", w)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, [2]int{wantH, wantW}, [2]int{oh, ow}, "%+v of %d×%d with %d×%d", w, h, width, kh, kw)
	}
}

// TestPoolShapeKeepsRealPixels: every window that is accepted holds one, and no
// window is refused for another reason.
func TestPoolShapeKeepsRealPixels(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		n := func(lo, hi int) int { return lo + r.IntN(hi-lo+1) }
		w := Window{StrideH: n(1, 3), StrideW: 1, DilationH: n(1, 4), DilationW: 1, PadTop: n(0, 4), PadBottom: n(0, 4)}
		h, kh := n(1, 6), n(1, 3)
		s, err := PoolShape(Shape{1, h, 1, 1}, kh, 1, w)
		oh, _, fits := w.Output(h, 1, kh, 1)
		empty := false
		for y := range oh {
			real := 0
			for i := range kh {
				if at := y*w.StrideH - w.PadTop + i*w.DilationH; at >= 0 && at < h {
					real++
				}
			}
			empty = empty || real == 0
		}
		reach := w.DilationH*(kh-1) + 1
		if fits != nil || empty || w.PadTop >= reach || w.PadBottom >= reach {
			require.ErrorIs(t, err, ErrShape, "%+v of %d with %d", w, h, kh)
			continue
		}
		require.NoError(t, err, "%+v of %d with %d", w, h, kh)
		require.Equal(t, Shape{1, oh, 1, 1}, s)
	}
}

func TestPadModeSource(t *testing.T) {
	for _, c := range []struct {
		mode PadMode
		want []int // of positions −3 to 6 in a row of four
	}{
		{PadZeros, []int{-1, -1, -1, 0, 1, 2, 3, -1, -1, -1}},
		{PadReflect, []int{3, 2, 1, 0, 1, 2, 3, 2, 1, 0}},
		{PadEdge, []int{0, 0, 0, 0, 1, 2, 3, 3, 3, 3}},
	} {
		for i, want := range c.want {
			assert.Equal(t, want, c.mode.Source(i-3, 4), "%v at %d", c.mode, i-3)
		}
	}
	assert.Equal(t, "zeros reflect edge PadMode(7)", PadZeros.String()+" "+PadReflect.String()+" "+PadEdge.String()+" "+PadMode(7).String())
}

func TestPadShape(t *testing.T) {
	s, err := PadShape(Shape{2, 3, 4, 5}, Padding{Top: 2, Bottom: 1, Left: 3, Right: 0, Mode: PadReflect})
	require.NoError(t, err)
	assert.Equal(t, Shape{2, 6, 7, 5}, s)
	_, err = PadShape(Shape{2, 3, 4, 5}, Padding{Right: 4, Mode: PadReflect})
	assert.ErrorIs(t, err, ErrShape)
	_, err = PadShape(Shape{2, 3, 4, 5}, Padding{Right: 4, Mode: PadEdge})
	assert.NoError(t, err)
	_, err = PadShape(Shape{3, 4, 5}, Padding{})
	assert.ErrorIs(t, err, ErrShape)
}
