package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/graph"
)

// The passes of lowering know every instruction that uses a piece of memory, whatever
// they have moved, renamed and merged.
func TestPassesKnowWhoUsesWhat(t *testing.T) {
	for seed := range uint64(60) {
		s, outputs := randomNetwork(seed)
		graph.PassesOf(s.Graph, graph.Lowering{Outputs: outputs}, func(pass string, known, found []int) {
			require.Equal(t, found, known, "seed %d, after %s", seed, pass)
		})
	}
	for _, tied := range []bool{false, true} {
		g, loss := deep(9, tied)
		outputs := []graph.Placement{{Node: loss, Buffer: "loss"}}
		for _, d := range g.Gradients(loss, nil, g.Leaves(graph.Parameter)...) {
			outputs = append(outputs, graph.Placement{Node: d, Buffer: d.Name()})
		}
		graph.PassesOf(g, graph.Lowering{Outputs: outputs}, func(pass string, known, found []int) {
			require.Equal(t, found, known, "tied %v, after %s", tied, pass)
		})
	}
}
