package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/graph"
)

// bytecode turns arbitrary bytes into calls of a Graph's methods, most of which fit.
type bytecode struct {
	*graph.Graph
	data  []byte
	nodes []*graph.Node
	leaf  int
}

// next returns the next number below n.
func (b *bytecode) next(n int) int {
	if len(b.data) == 0 {
		return 0
	}
	v := int(b.data[0]) % n
	b.data = b.data[1:]
	return v
}

// node picks one of the nodes so far, the latest most often.
func (b *bytecode) node() *graph.Node {
	return b.nodes[max(len(b.nodes)-1-b.next(4)*b.next(4), 0)]
}

func (b *bytecode) shape() backend.Shape {
	s := make(backend.Shape, b.next(5))
	for i := range s {
		s[i] = b.next(5) // a zero is a mistake
	}
	return s
}

// fitting declares a leaf that goes with an axis of another node.
func (b *bytecode) fitting(s ...int) *graph.Node {
	b.leaf++
	return b.Parameter(fmt.Sprint("p", b.leaf), s)
}

func (b *bytecode) window() backend.Window {
	return backend.Window{StrideH: b.next(3), StrideW: 1 + b.next(2), DilationH: 1 + b.next(2), DilationW: 1,
		PadTop: b.next(3), PadBottom: b.next(2), PadLeft: b.next(2), PadRight: b.next(3)}
}

// last returns the extent of the last axis.
func last(n *graph.Node) int {
	s := n.Shape()
	if len(s) == 0 {
		return 1
	}
	return s[len(s)-1]
}

// step makes one call.
func (b *bytecode) step() *graph.Node {
	x := b.node()
	switch b.next(24) {
	case 0:
		return b.fitting(b.shape()...)
	case 1:
		return b.Conv2D(x, b.fitting(1+b.next(3), 1+b.next(3), 1+b.next(3), last(x)), nil, b.window(), 1)
	case 2:
		return b.Conv2D(x, b.node(), b.node(), b.window(), b.next(3))
	case 3:
		return b.MatMul(x, b.fitting(1+b.next(4), last(x)), nil, false, true)
	case 4:
		return b.MatMul(x, b.node(), nil, b.next(2) == 1, b.next(2) == 1)
	case 5:
		return b.MaxPool2D(x, 1+b.next(3), 1+b.next(3), b.window())
	case 6:
		return b.AvgPool2D(x, 1+b.next(3), 1+b.next(3), b.window(), b.next(2) == 1)
	case 7:
		return b.Pad(x, backend.Padding{Top: b.next(3), Left: b.next(3), Mode: backend.PadMode(b.next(4))})
	case 8:
		return b.Resize(x, b.next(6), 1+b.next(5), backend.ResizeMode(b.next(4)))
	case 9:
		return b.Unary(backend.Func(b.next(23)), 0.5, x)
	case 10:
		return b.Binary(backend.BinaryFunc(b.next(7)), x, b.node())
	case 11:
		return b.Select(b.Compare(backend.CompareFunc(b.next(7)), x, b.node()), x, b.node())
	case 12:
		return b.Reduce(backend.ReduceFunc(b.next(5)), x, b.next(4))
	case 13:
		return b.Broadcast(x, b.shape())
	case 14:
		return b.Reshape(x, b.next(4), -1)
	case 15:
		return b.Slice(x, []int{b.next(2), b.next(2)}, b.shape())
	case 16:
		return b.Concatenate(b.next(3), x, b.node())
	case 17:
		return b.Transpose(x, b.next(2), b.next(2))
	case 18:
		return b.Gather(x, b.Input("rows", backend.Int32, backend.Shape{3}, 1+b.next(2)), nil, nil)
	case 19:
		return b.Softmax(x, b.next(2) == 1)
	case 20:
		return b.Maxout(x, b.next(4))
	case 21:
		return b.Dropout(x, 0.5, uint32(b.next(9)))
	case 22:
		y, mean, _ := b.BatchNorm(x, b.fitting(last(x)), b.fitting(last(x)), 1e-5)
		if b.next(2) == 1 {
			return mean
		}
		return y
	default:
		return b.Loss(backend.LossKind(b.next(7)), x, b.node(), nil, 2)
	}
}

// chunk is how many bytes a call gets.
const chunk = 8

// build makes one call for each chunk.
func build(chunks [][]byte) *bytecode {
	b := &bytecode{Graph: graph.New()}
	b.nodes = []*graph.Node{
		b.Parameter("images", backend.Shape{2, 4, 4, 2}), b.Parameter("table", backend.Shape{3, 4}), b.Input("numbers", backend.Float32, backend.Shape{2, 4}, 0),
	}
	for i, c := range chunks {
		b.data = c
		b.In(fmt.Sprint("step", i), func() { b.nodes = append(b.nodes, b.step()) })
	}
	return b
}

// checkRandomGraph makes the calls that the bytes stand for, but those that are
// mistakes: these must be errors that say so, and never a panic. What remains, with
// all its gradients, must lower to well-formed Programs, which give the same with and
// without fusion. It returns how many calls remain.
func checkRandomGraph(t *testing.T, d backend.Backend, data []byte) int {
	var calls [][]byte
	for len(data) > 0 && len(calls) < 12 {
		n := min(chunk, len(data))
		next := append(calls[:len(calls):len(calls)], data[:n])
		data = data[n:]
		b := build(next)
		if b.Err() != nil {
			require.ErrorContains(t, b.Err(), "graph: ")
			continue
		}
		made := b.nodes[len(b.nodes)-1]
		require.NoError(t, made.Shape().Validate())
		if made.Shape().Elements() <= 1<<10 {
			calls = next
		}
	}
	b := build(calls)
	require.NoError(t, b.Err())
	y := b.nodes[len(b.nodes)-1]
	outputs := []graph.Placement{{Node: y, Buffer: "y"}}
	if y.DType() == backend.Float32 {
		targets := b.Leaves(graph.Parameter)
		if n := b.node(); n.DType() == backend.Float32 {
			targets = append(targets, n)
		}
		for i, d := range b.Gradients(y, nil, targets...) {
			outputs = append(outputs, graph.Placement{Node: d, Buffer: fmt.Sprint("d", i), Accumulate: i%2 == 1})
		}
	}
	if b.Err() != nil {
		require.ErrorIs(t, b.Err(), backend.ErrUnsupported, "only what has no gradient is refused now")
		return len(calls)
	}
	var results []floats
	for _, unfused := range []bool{false, true} {
		p := lower(t, b.Graph, graph.Lowering{Name: "fuzz", Outputs: outputs, Unfused: unfused})
		s := compile(t, d, p)
		r := rand.New(rand.NewPCG(1, 2))
		for _, leaf := range append(b.Leaves(graph.Parameter), b.Leaves(graph.Input)...) {
			if leaf.DType() == backend.Float32 {
				s.write(floats{leaf.Name(): normal(r, leaf.Shape().Elements())}, nil)
			}
		}
		s.step()
		s.step()
		all := floats{}
		for _, out := range outputs {
			if out.Node.DType() == backend.Float32 {
				all[out.Buffer] = s.read(out.Buffer)
			}
		}
		results = append(results, all)
		s.close()
	}
	for name, fused := range results[0] {
		for i, v := range results[1][name] {
			if !(math.IsNaN(v) && math.IsNaN(fused[i])) {
				require.Equal(t, math.Float64bits(v), math.Float64bits(fused[i]), "%s[%d]: fused %g, unfused %g", name, i, fused[i], v)
			}
		}
	}
	return len(calls)
}

func FuzzGraph(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("images and tables, rows and numbers: any text is a network"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := backend.Open("reference", backend.Options{Threads: 1})
		require.NoError(t, err)
		checkRandomGraph(t, d, data)
		require.NoError(t, d.Close())
	})
}

// The same for a few hundred random strings, every time that the tests run.
func TestRandomGraphs(t *testing.T) {
	for _, name := range backend.Names() {
		t.Run(name, func(t *testing.T) { testRandomGraphs(t, open(t, name)) })
	}
}

func testRandomGraphs(t *testing.T, d backend.Backend) {
	r := rand.New(rand.NewPCG(11, 12))
	calls := 0
	const graphs = 300
	for range graphs {
		data := make([]byte, 20*chunk)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		calls += checkRandomGraph(t, d, data)
	}
	require.Greater(t, calls, 8*graphs, "hardly a call fits")
}
