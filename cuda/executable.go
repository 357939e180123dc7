//go:build cuda

package cuda

import (
	"context"
	"errors"
	"fmt"

	"fovea/backend"
	"fovea/cuda/driver"
	"fovea/cuda/internal/pool"
)

// executable is a Program that has become a CUDA graph.
type executable struct {
	device *device
	name   string
	claims backend.Claims
	usage  backend.Usage // of all below

	graph  *driver.Executable // nil if there is nothing to do
	steps  []step             // what the graph is made of, in order
	blocks []named            // scratch and workspaces
}

// named is memory with what it is called in messages of the simulated driver.
type named struct {
	block pool.Block
	name  string
}

// adopt takes the bound tensors.
func (e *executable) adopt(c *compiler, bound []backend.Tensor) (err error) {
	e.claims, err = backend.Adopt(c.program, bound, e.device.usageOf, func(id backend.BufferID, t backend.Tensor) {
		c.buffers[id] = t.(*array).memory.Address
	})
	return err
}

// Run implements backend.Executable. It queues the graph and returns; what goes
// wrong on the device comes to light later. An index out of range that the Program
// itself has made reaches no memory beyond its operands, and is not reported.
func (e *executable) Run(ctx context.Context) error { return e.run(ctx, "Run", e.launch) }

// run does work on the bound tensors while it has claimed them.
func (e *executable) run(ctx context.Context, what string, work func() error) error {
	e.device.lifetime.RLock()
	defer e.device.lifetime.RUnlock()
	if err := e.usage.Begin(backend.Write); err != nil {
		return fmt.Errorf("cuda: %s of program %q: %w", what, e.name, err)
	}
	defer e.usage.End(backend.Write)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.claims.Begin(); err != nil {
		return fmt.Errorf("cuda: %s of program %q: %w", what, e.name, err)
	}
	defer e.claims.End()
	if e.device.separate {
		if err := e.forget(); err != nil {
			return fmt.Errorf("cuda: %s of program %q: %w", what, e.name, meaning(err))
		}
	}
	if err := work(); err != nil {
		return fmt.Errorf("cuda: %s of program %q: %w", what, e.name, meaning(err))
	}
	e.claims.Written()
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
	err := e.usage.Begin(backend.Write)
	if err == nil {
		defer e.usage.End(backend.Write)
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
	e.usage.Retire()
	e.graph, e.steps, e.claims, e.blocks = nil, nil, nil, nil
	return errors.Join(errs...)
}
