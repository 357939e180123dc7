package train

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestScheduleFactors(t *testing.T) {
	halfWay := (1 + math.Cos(math.Pi*0.5)) / 2
	for _, c := range []struct {
		schedule Schedule
		at       float64
		epochs   int
		want     float64
	}{
		{Schedule{}, 0, 10, 1},
		{Schedule{}, 9.99, 10, 1},
		{Schedule{Kind: "constant"}, 3, 10, 1},
		{Schedule{Warmup: 2}, 0, 10, 0},
		{Schedule{Warmup: 2}, 0.5, 10, 0.25},
		{Schedule{Warmup: 2}, 2, 10, 1},
		{Schedule{Warmup: 0.5}, 0.25, 10, 0.5},
		{Schedule{Kind: "cosine"}, 0, 10, 1},
		{Schedule{Kind: "cosine"}, 5, 10, halfWay},
		{Schedule{Kind: "cosine"}, 2.5, 10, (1 + math.Sqrt2/2) / 2},
		{Schedule{Kind: "cosine"}, 10, 10, 0},
		{Schedule{Kind: "cosine"}, 11, 10, 0},
		{Schedule{Kind: "cosine", Floor: 0.1}, 10, 10, 0.1},
		{Schedule{Kind: "cosine", Floor: 0.1}, 5, 10, 0.1 + 0.9*halfWay},
		{Schedule{Kind: "cosine", Warmup: 2}, 1, 10, 0.5},
		{Schedule{Kind: "cosine", Warmup: 2}, 2, 10, 1},
		{Schedule{Kind: "cosine", Warmup: 2}, 6, 10, halfWay},
		{Schedule{Kind: "cosine", Warmup: 20}, 9, 10, 0.45},
		{Schedule{Kind: "cosine", Warmup: 10}, 10, 10, 1},
		{Schedule{Kind: "step", Factor: 0.5, Every: 3}, 0, 10, 1},
		{Schedule{Kind: "step", Factor: 0.5, Every: 3}, 2.99, 10, 1},
		{Schedule{Kind: "step", Factor: 0.5, Every: 3}, 3, 10, 0.5},
		{Schedule{Kind: "step", Factor: 0.5, Every: 3}, 9.5, 10, 0.125},
	} {
		assert.NoError(t, c.schedule.validate())
		assert.InDelta(t, c.want, c.schedule.FactorAt(c.at, c.epochs), 1e-15, "%+v at %g of %d", c.schedule, c.at, c.epochs)
	}
}

func TestScheduleRefuses(t *testing.T) {
	for _, s := range []Schedule{
		{Kind: "linear"},
		{Kind: "step"},
		{Kind: "step", Factor: 0.5},
		{Kind: "step", Every: 1},
		{Kind: "step", Factor: math.NaN(), Every: 1},
		{Kind: "step", Factor: math.Inf(1), Every: 1},
		{Kind: "step", Factor: -1, Every: 1},
		{Factor: 0.5},
		{Every: 2},
		{Kind: "cosine", Floor: -0.1},
		{Kind: "cosine", Floor: 1.1},
		{Kind: "cosine", Floor: math.NaN()},
		{Floor: 0.1},
		{Warmup: -1},
		{Warmup: math.NaN()},
		{Warmup: math.Inf(1)},
	} {
		assert.ErrorContains(t, s.validate(), "schedule", "%+v", s)
	}
}
