package backend

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestResizeTapsByHand compares with rows worked out by hand.
func TestResizeTapsByHand(t *testing.T) {
	one := func(sources ...int) (taps [][]Tap) {
		for _, s := range sources {
			taps = append(taps, []Tap{{s, 1}})
		}
		return taps
	}
	third := 1.0 / 3
	for _, c := range []struct {
		mode    ResizeMode
		in, out int
		want    [][]Tap
	}{
		{Nearest, 3, 3, one(0, 1, 2)},
		{Nearest, 2, 5, one(0, 0, 0, 1, 1)}, // ⌊0⌋ ⌊0.4⌋ ⌊0.8⌋ ⌊1.2⌋ ⌊1.6⌋
		{Nearest, 5, 2, one(0, 2)},
		{Nearest, 1, 3, one(0, 0, 0)},
		{Bilinear, 3, 3, one(0, 1, 2)},
		{Bilinear, 2, 4, [][]Tap{{{0, 1}}, {{0, 0.75}, {1, 0.25}}, {{0, 0.25}, {1, 0.75}}, {{1, 1}}}}, // at −0.25, 0.25, 0.75, 1.25
		{Bilinear, 4, 2, [][]Tap{{{0, 0.5}, {1, 0.5}}, {{2, 0.5}, {3, 0.5}}}},
		{Bilinear, 1, 2, one(0, 0)},
		{Bilinear, 3, 1, one(1)},
		{Area, 3, 3, one(0, 1, 2)},
		{Area, 4, 2, [][]Tap{{{0, 0.5}, {1, 0.5}}, {{2, 0.5}, {3, 0.5}}}},
		{Area, 3, 2, [][]Tap{{{0, 2 * third}, {1, third}}, {{1, third}, {2, 2 * third}}}},
		{Area, 2, 4, one(0, 0, 1, 1)},
		{Area, 2, 3, [][]Tap{{{0, 1}}, {{0, 0.5}, {1, 0.5}}, {{1, 1}}}},
		{Area, 3, 1, [][]Tap{{{0, third}, {1, third}, {2, third}}}},
	} {
		got := ResizeTaps(c.mode, c.in, c.out)
		require.Len(t, got, len(c.want))
		for i := range got {
			require.Len(t, got[i], len(c.want[i]), "%v %d→%d pixel %d: %v", c.mode, c.in, c.out, i, got[i])
			for j, tap := range got[i] {
				assert.Equal(t, c.want[i][j].Source, tap.Source, "%v %d→%d pixel %d", c.mode, c.in, c.out, i)
				assert.InDelta(t, c.want[i][j].Weight, tap.Weight, 1e-15, "%v %d→%d pixel %d", c.mode, c.in, c.out, i)
			}
		}
	}
}

// TestResizeTapsSumToOne: the taps of each pixel are real pixels in ascending
// order, with positive weights that sum to 1; shrinking by area uses all pixels
// alike.
func TestResizeTapsSumToOne(t *testing.T) {
	for mode := range resizeModes {
		for in := 1; in <= 20; in++ {
			for out := 1; out <= 20; out++ {
				used := make([]float64, in)
				for i, taps := range ResizeTaps(mode, in, out) {
					sum, last := 0.0, -1
					for _, tap := range taps {
						require.Greater(t, tap.Source, last, "%v %d→%d pixel %d", mode, in, out, i)
						require.Less(t, tap.Source, in)
						require.Positive(t, tap.Weight)
						last = tap.Source
						sum += tap.Weight
						used[tap.Source] += tap.Weight
					}
					require.InDelta(t, 1, sum, 1e-14, "%v %d→%d pixel %d", mode, in, out, i)
				}
				if mode == Area {
					for _, u := range used {
						require.InDelta(t, float64(out)/float64(in), u, 1e-13, "area %d→%d", in, out)
					}
				}
			}
		}
	}
}
