package graph_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/graph"
)

// deep builds a network of so many blocks, and returns its loss. Tied blocks share one
// set of parameters.
func deep(blocks int, tied bool) (*graph.Graph, *graph.Node) {
	g := graph.New()
	const c = 4
	x := g.Input("x", backend.Float32, backend.Shape{1, 4, 4, c}, 0)
	win := backend.Window{StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}
	for i := range blocks {
		name := fmt.Sprint("block", i)
		if tied {
			name = "block"
		}
		g.In(name, func() {
			y := g.Conv2D(x, g.Parameter(name+"/weight", backend.Shape{c, 3, 3, c}), g.Parameter(name+"/bias", backend.Shape{c}), win, 1)
			y, mean, variance := g.BatchNorm(y, g.Parameter(name+"/gamma", backend.Shape{c}), g.Parameter(name+"/beta", backend.Shape{c}), 1e-5)
			if !tied {
				g.Track(graph.Tracking{State: g.State(name+"/mean", backend.Shape{c}), Value: mean, Momentum: 0.1, Scale: 1})
				g.Track(graph.Tracking{State: g.State(name+"/variance", backend.Shape{c}), Value: variance, Momentum: 0.1, Scale: 16.0 / 15})
			}
			x = g.Activate(g.Add(y, x), backend.Activation{Func: backend.ReLU})
		})
	}
	return g, g.Reduce(backend.Sum, g.Mul(x, x))
}

// training lowers a training step of a deep network.
func training(tb testing.TB, blocks int, tied bool) *backend.Program {
	g, loss := deep(blocks, tied)
	step, err := g.LowerTraining("deep", graph.Training{
		Loss: loss, Layout: g.Layout(nil), Optimizer: backend.OptimizerStep{Rule: backend.SGD},
		Outputs: []graph.Placement{{Node: loss, Buffer: "loss"}},
	})
	require.NoError(tb, err)
	return step.Gradient
}

// BenchmarkLowerTraining builds, differentiates and lowers networks of about so many Ops.
func BenchmarkLowerTraining(b *testing.B) {
	for _, tied := range []bool{false, true} {
		for _, ops := range []int{1000, 4000} {
			name := "own parameters"
			if tied {
				name = "tied parameters"
			}
			b.Run(fmt.Sprintf("%s/%d", name, ops), func(b *testing.B) {
				blocks := ops * 100 / len(training(b, 100, tied).Code)
				n := 0
				for b.Loop() {
					n = len(training(b, blocks, tied).Code)
				}
				b.ReportMetric(float64(n), "Ops")
			})
		}
	}
}

// The work of a step of lowering is counted by what it allocates: whoever looks at an
// instruction asks for its operands, which are a new slice. Twice the network is twice
// the work, and a little where maps and slices grow; looking through all instructions
// for each would make it four times, and following each sum to its end eight.
func TestLoweringIsLinear(t *testing.T) {
	for _, tied := range []bool{false, true} {
		work := func(blocks int) float64 {
			return testing.AllocsPerRun(1, func() { training(t, blocks, tied) })
		}
		require.Less(t, work(80)/work(40), 2.2, "tied parameters: %v", tied)
	}
}
