package graph_test

import (
	"fmt"
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

// Whatever is built, nothing panics: a mistake is an error that says so, and what is
// built without one lowers to a Program that is well formed, its gradients included.
func FuzzGraph(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 9, 3, 0, 0, 10, 0, 0, 0, 12, 0, 0, 23, 0})
	f.Add([]byte{0, 0, 1, 2, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 1, 1})
	f.Add([]byte{0, 0, 3, 2, 0, 0, 19, 0, 0, 0, 20, 1, 0, 0, 22, 0})
	f.Add([]byte{0, 0, 18, 1, 0, 0, 14, 2, 0, 0, 4, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		b := &bytecode{Graph: graph.New(), data: data}
		images := b.Parameter("images", backend.Shape{2, 4, 4, 2})
		b.nodes = []*graph.Node{images, b.Parameter("rows.table", backend.Shape{3, 4}), b.Input("numbers", backend.Float32, backend.Shape{2, 4}, 0)}
		for range 12 {
			if len(b.data) == 0 {
				break
			}
			n := b.step()
			if b.Err() != nil {
				require.ErrorContains(t, b.Err(), "graph: ")
				return
			}
			require.NoError(t, n.Shape().Validate())
			if n.Shape().Elements() > 1<<16 {
				return
			}
			b.nodes = append(b.nodes, n)
		}
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
			return
		}
		for _, unfused := range []bool{false, true} {
			p, err := b.Lower(graph.Lowering{Name: "fuzz", Outputs: outputs, Unfused: unfused})
			require.NoError(t, err)
			require.NoError(t, p.Check())
		}
	})
}
