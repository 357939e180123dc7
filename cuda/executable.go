//go:build cuda

package cuda

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"fovea/backend"
	"fovea/cuda/driver"
	"fovea/cuda/internal/pool"
)

// executable is a Program that has become a CUDA graph.
type executable struct {
	device   *device
	name     string
	graph    *driver.Executable // nil if there is nothing to do
	steps    []step             // what the graph is made of, in order
	tensors  []*array           // those the Program uses
	accesses []backend.Access   // what it does to each of them
	blocks   []named            // scratch and workspaces
	busy     atomic.Bool
	closed   bool // whoever has claimed busy may look
}

// named is memory with what it is called in messages of the simulated driver.
type named struct {
	block pool.Block
	name  string
}

// adopt takes the bound tensors.
func (e *executable) adopt(c *compiler, bound []backend.Tensor) error {
	accesses := c.program.Accesses()
	for id, b := range c.program.Buffers {
		if id == 0 || b.Kind != backend.Bound {
			continue
		}
		t, ok := bound[id].(*array)
		err := fmt.Errorf("%w: the tensor belongs to another backend", backend.ErrBinding)
		if ok && t.device == e.device {
			err = t.claim(backend.Read)
		}
		if err != nil {
			return fmt.Errorf("buffer %d %q: %w", id, b.Name, err)
		}
		c.buffers[id] = t.memory.Address
		t.usage.End(backend.Read)
		if accesses[id] != 0 {
			e.tensors = append(e.tensors, t)
			e.accesses = append(e.accesses, accesses[id])
		}
	}
	return nil
}

// Run implements backend.Executable. It queues the graph and returns; what goes
// wrong on the device comes to light later. An index out of range that the Program
// itself has made reaches no memory beyond its operands, and is not reported.
func (e *executable) Run(ctx context.Context) error { return e.run(ctx, "Run", e.launch) }

// run does work on the bound tensors while it has claimed them.
func (e *executable) run(ctx context.Context, what string, work func() error) error {
	e.device.lifetime.RLock()
	defer e.device.lifetime.RUnlock()
	if err := e.claim(); err != nil {
		return fmt.Errorf("cuda: %s of program %q: %w", what, e.name, err)
	}
	defer e.busy.Store(false)
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, t := range e.tensors {
		if err := t.claim(e.accesses[i]); err != nil {
			e.release(i)
			return fmt.Errorf("cuda: %s of program %q: tensor %q: %w", what, e.name, t.spec.Name, err)
		}
	}
	defer e.release(len(e.tensors))
	if e.device.separate {
		if err := e.forget(); err != nil {
			return fmt.Errorf("cuda: %s of program %q: %w", what, e.name, meaning(err))
		}
	}
	if err := work(); err != nil {
		return fmt.Errorf("cuda: %s of program %q: %w", what, e.name, meaning(err))
	}
	for i, t := range e.tensors {
		if e.accesses[i].Writes() {
			t.version.Add(1)
		}
	}
	return nil
}

// launch queues the graph.
func (e *executable) launch() error {
	if e.graph == nil {
		return nil
	}
	return e.device.stream.Run(e.graph)
}

// forget tells a simulated driver that scratch holds nothing when a run begins, so
// that it finds reads of what an earlier run has left.
func (e *executable) forget() error {
	if !driver.Simulated() {
		return nil
	}
	if err := e.device.stream.Synchronize(); err != nil {
		return err
	}
	for _, b := range e.blocks {
		if err := e.device.context.NameRange(driver.Address(b.block.Address), b.block.Bytes, b.name, driver.Uninitialised); err != nil {
			return err
		}
	}
	return nil
}

// release ends the use of the first n tensors.
func (e *executable) release(n int) {
	for i, t := range e.tensors[:n] {
		t.usage.End(e.accesses[i])
	}
}

// Memory implements backend.Executable.
func (e *executable) Memory() int64 {
	var n int64
	for _, b := range e.blocks {
		n += int64(b.block.Bytes)
	}
	return n
}

// Close implements backend.Executable. A run that is queued is finished.
func (e *executable) Close() error {
	e.device.lifetime.RLock()
	defer e.device.lifetime.RUnlock()
	err := e.claim()
	if err == nil {
		defer e.busy.Store(false)
		err = e.device.release(e)
	}
	if err != nil {
		return fmt.Errorf("cuda: Close of program %q: %w", e.name, meaning(err))
	}
	return nil
}

func (e *executable) drop() error {
	var errs []error
	if e.graph != nil {
		errs = append(errs, e.graph.Close())
	}
	for _, b := range e.blocks {
		errs = append(errs, e.device.memory.Free(b.block))
	}
	e.graph, e.steps, e.tensors, e.accesses, e.blocks, e.closed = nil, nil, nil, nil, nil, true
	return errors.Join(errs...)
}

// claim begins the use of an Executable that is alive; the device's lifetime must
// be held.
func (e *executable) claim() error {
	if !e.busy.CompareAndSwap(false, true) {
		return backend.ErrBusy
	}
	if e.closed {
		e.busy.Store(false)
		return backend.ErrClosed
	}
	return nil
}
