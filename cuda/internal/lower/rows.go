package lower

import (
	"fovea/backend"
	"fovea/kernels"
)

// rows lowers the Ops on windows, rows and channels: pooling, maxout, softmax,
// losses and batch normalisation.
func (l *lowering) rows(op backend.Op) (Work, error) {
	switch o := op.(type) {
	case *backend.MaxPool2D:
		return l.maxPool(o)
	case *backend.MaxPool2DGrad:
		return l.maxPoolGrad(o)
	case *backend.AvgPool2D:
		return l.averagePool(o)
	case *backend.AvgPool2DGrad:
		return l.averagePoolGrad(o)
	case *backend.Maxout:
		return l.maxout(o)
	case *backend.MaxoutGrad:
		return l.maxoutGrad(o)
	case *backend.Softmax:
		return l.softmax(o)
	case *backend.SoftmaxGrad:
		return l.softmaxGrad(o)
	case *backend.Loss:
		return l.loss(o)
	case *backend.LossGrad:
		return l.lossGrad(o)
	case *backend.BatchNorm:
		return l.batchNorm(o)
	case *backend.BatchNormGrad:
		return l.batchNormGrad(o)
	case *backend.BatchNormInference:
		return l.batchNormInference(o)
	}
	return Work{}, unsupported(op)
}

const (
	// longRow is the length from which on a row has a block of its own.
	longRow = 1025
	// veryLongRow is the length from which on that block is as large as can be.
	veryLongRow = 1 << 13
)

// teams is how rows are shared by threads, as kernels/rows.cuh describes. It follows
// from the shape alone.
type teams struct {
	rows, length int
	lanes        int // threads of a row
	threads      int // of a block
}

func newTeams(rows, length int) teams {
	t := teams{rows: rows, length: length, lanes: min(powerOfTwo(length), 32), threads: kernels.RowThreads}
	switch {
	case length >= veryLongRow:
		t.threads = kernels.LongRowThreads
		t.lanes = t.threads
	case length >= longRow:
		t.lanes = t.threads
	}
	return t
}

// node launches a kernel of teams.
func (t teams) node(call kernels.Call) Node {
	return Launch{
		Call:  call,
		Grid:  [3]uint32{blocks(t.rows, t.threads/t.lanes), 1, 1},
		Block: [3]uint32{uint32(t.threads), 1, 1},
	}
}

// largest finds the maximum of each group of elements and its position in the group.
// Either may be absent.
func (l *lowering) largest(op backend.Op, maxima, positions, x backend.View, kept, reduced *walk) (Work, error) {
	r, err := newReduction(op, kept, reduced)
	if err != nil {
		return Work{}, err
	}
	if r.slices == 1 {
		return emit(func(m Memory) []Node {
			return []Node{r.node(kernels.ReduceMax(m.Address(maxima), m.Address(positions), m.Address(x), 0, r.launch))}
		})
	}
	rest, err := r.second(op)
	if err != nil {
		return Work{}, err
	}
	partial := r.slices * int(r.launch.Results) * 4
	return Work{
		Workspace: 2 * partial,
		Emit: func(m Memory, values kernels.Pointer) []Node {
			places := values + kernels.Pointer(partial)
			return []Node{
				r.node(kernels.ReduceMax(values, places, m.Address(x), 0, r.launch)),
				rest.node(kernels.ReduceMax(m.Address(maxima), m.Address(positions), values, places, rest.launch)),
			}
		},
	}, nil
}
