package lower

import (
	"math/bits"

	"fovea/backend"
	"fovea/kernels"
)

// reduction is the geometry of a Reduce: which threads share a result, and into
// how many slices the elements of each are cut. It follows from the shape alone.
type reduction struct {
	launch kernels.Reduction
	slices int
}

const (
	// A thread adds this many elements at least before another slice is worth it.
	elementsPerThread = 16
	// Blocks that keep a large device busy; smaller ones have a few each.
	busyBlocks = 1024
)

// newReduction reduces count elements of each of several results.
func newReduction(op backend.Op, kept, reduced *walk) (reduction, error) {
	r := reduction{launch: kernels.Reduction{Results: int32(kept.count()), Count: int32(reduced.count())}}
	var err error
	if r.launch.Kept, err = kept.strided(op); err != nil {
		return r, err
	}
	if r.launch.Reduced, err = reduced.strided(op); err != nil {
		return r, err
	}
	results, count := kept.count(), reduced.count()
	// A few elements for each lane, but neighbours side by side.
	lanes := powerOfTwo((count + 3) / 4)
	if results > 1 && kept.strides[0][0] == 1 {
		r.launch.Across = 1
		lanes = min(lanes, kernels.ReduceThreads/min(powerOfTwo(results), 32))
	} else {
		lanes = min(max(lanes, min(powerOfTwo(count), 32)), kernels.ReduceThreads)
	}
	grid := (results*lanes + kernels.ReduceThreads - 1) / kernels.ReduceThreads
	slices := max(1, min(count/lanes/elementsPerThread, busyBlocks/grid))
	chunk := (count + slices - 1) / slices
	chunk = (chunk + lanes - 1) / lanes * lanes
	r.launch.Lanes, r.launch.Chunk = int32(lanes), int32(min(chunk, count))
	r.slices = (count + chunk - 1) / chunk
	return r, nil
}

// powerOfTwo is the least that is not below n.
func powerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }

func (w *walk) count() int {
	n := 1
	for _, d := range w.extent {
		n *= d
	}
	return n
}

// node launches a reduction.
func (r reduction) node(call kernels.Call) Node {
	perBlock := kernels.ReduceThreads / int(r.launch.Lanes)
	return Launch{
		Call:  call,
		Grid:  [3]uint32{blocks(int(r.launch.Results), perBlock), uint32(r.slices), 1},
		Block: [3]uint32{kernels.ReduceThreads, 1, 1},
	}
}

// second is the reduction of the slices' results.
func (r reduction) second(op backend.Op) (reduction, error) {
	results := int(r.launch.Results)
	return newReduction(op, newWalk(backend.Shape{results}, []int{1}), newWalk(backend.Shape{r.slices}, []int{results}))
}

// reduceWalks leads through the axes of X that stay and through those that go.
func reduceWalks(o *backend.Reduce) (kept, reduced *walk) {
	var keptShape, reducedShape backend.Shape
	var keptStrides, reducedStrides []int
	strides := o.X.Shape.Strides()
	for axis, n := range o.X.Shape {
		if o.Y.Shape[axis] == n {
			keptShape, keptStrides = append(keptShape, n), append(keptStrides, strides[axis])
		} else {
			reducedShape, reducedStrides = append(reducedShape, n), append(reducedStrides, strides[axis])
		}
	}
	return newWalk(keptShape, keptStrides), newWalk(reducedShape, reducedStrides)
}

func (l *lowering) reduce(o *backend.Reduce) (Work, error) {
	kept, reduced := reduceWalks(o)
	r, err := newReduction(o, kept, reduced)
	if err != nil {
		return Work{}, err
	}
	partial := r.slices * int(r.launch.Results) * 4
	rest, err := r.second(o)
	if err != nil {
		return Work{}, err
	}
	if o.Func == backend.ReduceMax || o.Func == backend.ReduceArgmax {
		return l.reduceMax(o, r, rest, partial), nil
	}
	divisor := float32(1)
	if o.Func == backend.Mean {
		divisor = float32(r.launch.Count)
	}
	var accumulate int32
	if o.Accumulate {
		accumulate = 1
	}
	if r.slices == 1 {
		return emit(func(m Memory) []Node {
			return []Node{r.node(kernels.ReduceSum(m.Address(o.Y), m.Address(o.X), r.launch, divisor, accumulate))}
		})
	}
	return Work{
		Workspace: partial,
		Emit: func(m Memory, workspace kernels.Pointer) []Node {
			return []Node{
				r.node(kernels.ReduceSum(workspace, m.Address(o.X), r.launch, 1, 0)),
				rest.node(kernels.ReduceSum(m.Address(o.Y), workspace, rest.launch, divisor, accumulate)),
			}
		},
	}, nil
}

// reduceMax keeps, of each slice, the maximum and its position.
func (l *lowering) reduceMax(o *backend.Reduce, r, rest reduction, partial int) Work {
	result := func(m Memory) (y, positions kernels.Pointer) {
		if o.Func == backend.ReduceArgmax {
			return 0, m.Address(o.Y)
		}
		return m.Address(o.Y), 0
	}
	if r.slices == 1 {
		return Work{Emit: func(m Memory, _ kernels.Pointer) []Node {
			y, positions := result(m)
			return []Node{r.node(kernels.ReduceMax(y, positions, m.Address(o.X), 0, r.launch))}
		}}
	}
	return Work{
		Workspace: 2 * partial,
		Emit: func(m Memory, values kernels.Pointer) []Node {
			y, positions := result(m)
			places := values + kernels.Pointer(partial)
			return []Node{
				r.node(kernels.ReduceMax(values, places, m.Address(o.X), 0, r.launch)),
				rest.node(kernels.ReduceMax(y, positions, values, places, rest.launch)),
			}
		},
	}
}

func (l *lowering) reduceMaxGrad(o *backend.ReduceMaxGrad) (Work, error) {
	n := o.DX.Shape.Elements()
	// From an element of DX to its place in DY, and to its position among those
	// that became one.
	position := make([]int, len(o.DX.Shape))
	k := 1
	for i := len(o.Axes) - 1; i >= 0; i-- {
		position[o.Axes[i]] = k
		k *= o.DX.Shape[o.Axes[i]]
	}
	s, err := newWalk(o.DX.Shape, backend.BroadcastStrides(o.DY.Shape, o.DX.Shape), position).strided(o)
	if err != nil {
		return Work{}, err
	}
	return emit(func(m Memory) []Node {
		dx, e := m.Address(o.DX), epilogue(m, &o.GradEpilogue)
		return []Node{elements(n, kernels.ReduceMaxGrad(dx, m.Address(o.DY), m.Address(o.Argmax), int32(n), s, e, aligned(dx, e.Addend, e.Output)))}
	})
}
