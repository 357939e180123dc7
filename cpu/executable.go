package cpu

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"fovea/backend"
)

// executable is a Program that has been compiled into steps.
type executable struct {
	device   *device
	name     string
	steps    []step
	work     []instruction
	tensors  []*array         // those the Program uses
	accesses []backend.Access // what it does to each of them
	arena    []byte
	kept     []*derived
	memory   int64 // bytes of the arena and of what is kept
	job      *job
	fault    fault
	busy     atomic.Bool
	closed   bool // whoever has claimed busy may look
}

// step is a piece of an instruction: work that is cut into parts, which may be
// done in any order and at once. worker tells apart those that are done at once.
type step struct {
	parts  int
	work   func(part, worker int)
	making *derived // what it makes, if that is kept from run to run
}

// idle reports whether this run can do without the step.
func (s *step) idle() bool { return s.making != nil && !s.making.stale }

// Compile implements backend.Backend.
func (d *device) Compile(p *backend.Program, bind map[string]backend.Tensor) (backend.Executable, error) {
	d.lifetime.RLock()
	defer d.lifetime.RUnlock()
	if p == nil {
		return nil, fmt.Errorf("cpu: Compile: %w: no program is given", backend.ErrProgram)
	}
	if d.closed {
		return nil, fmt.Errorf("cpu: Compile %q: %w", p.Name, backend.ErrClosed)
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	bound, err := backend.CheckBindings(p, bind)
	if err != nil {
		return nil, err
	}
	return d.compile(p, bound, (*compiler).plan)
}

// compile makes an Executable of a Program that has been checked.
func (d *device) compile(p *backend.Program, bound []backend.Tensor, plan func(*compiler, backend.Op) *plan) (backend.Executable, error) {
	e := &executable{device: d, name: p.Name, job: newJob()}
	c := &compiler{
		device: d, program: p, threads: d.workers.threads, fault: &e.fault,
		tensors: make([]*array, len(p.Buffers)), accesses: p.Accesses(), memory: make([][]byte, len(p.Buffers)),
	}
	if err := e.adopt(c, bound); err != nil {
		return nil, err
	}
	if err := c.compile(plan); err != nil {
		return nil, err
	}
	e.steps, e.work, e.arena, e.kept = c.steps, c.work, c.arena, c.kept
	e.memory = int64(len(e.arena))
	for _, k := range e.kept {
		e.memory += int64(len(k.memory))
	}
	d.hold(e, e.memory)
	return e, nil
}

// adopt takes the bound tensors.
func (e *executable) adopt(c *compiler, bound []backend.Tensor) error {
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
			return fmt.Errorf("cpu: program %q, buffer %d %q: %w", e.name, id, b.Name, err)
		}
		c.tensors[id], c.memory[id] = t, t.data
		t.usage.End(backend.Read)
		if a := c.accesses[id]; a != 0 {
			e.tensors = append(e.tensors, t)
			e.accesses = append(e.accesses, a)
		}
	}
	return nil
}

// Run implements backend.Executable. It returns when the Program has run. An
// index out of range that the Program itself has made is ErrRange.
func (e *executable) Run(ctx context.Context) error { return e.run(ctx, "Run", nil) }

// run runs the Program, one instruction after the other if their times are wanted.
func (e *executable) run(ctx context.Context, what string, times []time.Duration) error {
	e.device.lifetime.RLock()
	defer e.device.lifetime.RUnlock()
	if err := e.claim(); err != nil {
		return fmt.Errorf("cpu: %s of program %q: %w", what, e.name, err)
	}
	defer e.busy.Store(false)
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, t := range e.tensors {
		if err := t.claim(e.accesses[i]); err != nil {
			e.release(i)
			return fmt.Errorf("cpu: %s of program %q: tensor %q: %w", what, e.name, t.spec.Name, err)
		}
	}
	for _, d := range e.kept {
		d.begin()
	}
	e.device.workers.enter(e.job)
	if times == nil {
		e.do(e.steps)
	}
	for i := range times {
		start := time.Now()
		e.do(e.steps[e.work[i].from:e.work[i].to])
		times[i] = time.Since(start)
	}
	e.device.workers.leave(e.job)
	for i, t := range e.tensors {
		if e.accesses[i].Writes() {
			t.version.Add(1)
		}
	}
	e.release(len(e.tensors))
	return e.fault.take(e.name)
}

// do executes steps, one after the other.
func (e *executable) do(steps []step) {
	for i := range steps {
		if s := &steps[i]; !s.idle() {
			e.device.workers.do(e.job, s.parts, s.work)
		}
	}
}

// release ends the use of the first n tensors.
func (e *executable) release(n int) {
	for i, t := range e.tensors[:n] {
		t.usage.End(e.accesses[i])
	}
}

// Memory implements backend.Executable.
func (e *executable) Memory() int64 { return e.memory }

// Close implements backend.Executable.
func (e *executable) Close() error {
	e.device.lifetime.RLock()
	defer e.device.lifetime.RUnlock()
	if err := e.claim(); err != nil {
		return fmt.Errorf("cpu: Close of program %q: %w", e.name, err)
	}
	defer e.busy.Store(false)
	e.device.release(e)
	e.drop()
	return nil
}

func (e *executable) drop() {
	e.steps, e.work, e.tensors, e.arena, e.kept, e.closed = nil, nil, nil, nil, nil, true
}

// claim begins the use of an Executable that is alive; the device's lifetime
// must be held.
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

// fault is the first index found out of range during a run.
type fault struct{ found atomic.Pointer[error] }

// outOfRange reports that element i of an index operand is v.
func (f *fault) outOfRange(instruction, operand string, i int, v int32, limit int) {
	err := fmt.Errorf("%s: %w: element %d of %s is %d, expected 0 to %d", instruction, backend.ErrRange, i, operand, v, limit-1)
	f.found.CompareAndSwap(nil, &err)
}

// take returns the fault of a run, if there is one, and forgets it.
func (f *fault) take(program string) error {
	if f.found.Load() == nil {
		return nil
	}
	return fmt.Errorf("cpu: program %q, %w", program, *f.found.Swap(nil))
}
