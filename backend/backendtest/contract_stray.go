package backendtest

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// strayPositions are no elements of anything.
var strayPositions = constant(-1, 1<<31-1, -1<<31, 1000, 0)

// checkStrayPositions: a position that is out of range, which only an Op can have
// made or a tensor without a limit can hold, reaches no other memory. The run
// fails with ErrRange or the result is undefined, but guards and inputs hold what
// they held.
func checkStrayPositions(t require.TestingT, open func() backend.Backend) {
	b := open()
	pool := pooling{1, 6, 6, 5, 2, 2, window(2, 1, 0)}
	x, y := pool.shapes()
	for _, op := range []backend.Op{
		&backend.MaxPool2DGrad{DX: f32(x...), DY: f32(y...), Argmax: i32(y...), KernelH: 2, KernelW: 2, Window: pool.Window},
		&backend.MaxoutGrad{DX: f32(4, 15), DY: f32(4, 5), Argmax: i32(4, 5), Pieces: 3},
		&backend.ReduceMaxGrad{DX: f32(7, 9), DY: f32(1, 9), Argmax: i32(1, 9), Axes: []int{0}},
		&backend.Gather{Y: f32(6, 3), X: f32(4, 3), Indices: i32(6)},
		&backend.Gather{Y: f32(6, 3), X: u8(4, 3), Indices: i32(6), Scale: f32(3), Shift: f32(3)},
		&backend.ScatterAdd{Y: f32(4, 3), X: f32(6, 3), Indices: i32(6)},
		&backend.Loss{Losses: f32(5), Input: f32(5, 3), Target: i32(5), Divisor: 1},
		&backend.Loss{Losses: f32(5), Input: f32(5, 3), Target: i32(5), Func: backend.MultiClassHinge, Divisor: 1},
		&backend.Loss{Losses: f32(5), Input: f32(5, 3), Target: i32(5), Func: backend.NegativeLogLikelihood, Divisor: 1},
		&backend.LossGrad{DX: f32(5, 3), Input: f32(5, 3), Target: i32(5), Seed: f32(1), Divisor: 1},
		&backend.LossGrad{DX: f32(5, 3), Input: f32(5, 3), Target: i32(5), Seed: f32(1), Func: backend.MultiClassHinge, Divisor: 1},
	} {
		err := runStray(b, op)
		assert.NoError(t, err, describe(op))
	}
	require.NoError(t, b.Close())
}

// runStray runs an Op whose positions are copied, from a tensor without a limit,
// into scratch that declares one.
func runStray(b backend.Backend, op backend.Op) (err error) {
	r := rand.New(rand.NewPCG(1, 1))
	c := Case{Op: op, fills: fills{"Argmax": strayPositions, "Indices": strayPositions, "Target": strayPositions}}
	p := place(c, drawInputs(c, r), r)
	for id, s := range p.slots {
		if s == nil || s.before.dtype != backend.Int32 {
			continue
		}
		n := s.before.len()
		scratch := p.program.AddBuffer(backend.Buffer{Name: "positions", Kind: backend.Scratch, DType: backend.Int32, Elements: n, Limit: s.limit})
		p.program.Buffers[id].Limit, s.limit = 0, 0
		all := backend.View{Buffer: backend.BufferID(id), DType: backend.Int32, Shape: backend.Shape{n}}
		for _, o := range p.op.Operands() {
			if o.View.Buffer == all.Buffer {
				o.View.Buffer = scratch
			}
		}
		from := all
		all.Buffer = scratch
		p.program.Code = append([]backend.Instruction{{Label: "positions", Op: &backend.Copy{Y: all, X: from}}}, p.program.Code...)
	}
	tensors := map[string]backend.Tensor{}
	defer func() {
		for _, t := range tensors {
			err = errors.Join(err, t.Free())
		}
	}()
	for _, s := range p.slots[1:] {
		p.prepare(s, 0)
		if tensors[s.name], err = upload(b, s.name, s.before, s.limit); err != nil {
			return err
		}
	}
	exe, err := b.Compile(p.program, tensors)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, exe.Close()) }()
	if err := exe.Run(context.Background()); err != nil && !errors.Is(err, backend.ErrRange) {
		return err
	}
	_, err = p.collect(tensors)
	return err
}
