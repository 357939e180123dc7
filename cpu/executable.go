package cpu

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"fovea/backend"
)

// executable is a Program that has been compiled into steps.
type executable struct {
	device  *device
	program *backend.Program // its own copy
	plan    func(*compiler, backend.Op) *plan
	bound   []*array // by BufferID: the tensors that it uses
	data    [][]byte // their memory
	claims  backend.Claims
	usage   backend.Usage // of all below

	steps  []step
	work   []instruction
	arena  *arena // nil if it needs no scratch memory
	kept   []*derived
	memory int64 // bytes that it needs of the arena, and those of what is kept
	job    *job
	fault  fault
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
	e := &executable{device: d, program: copyOf(p), plan: plan, job: newJob()}
	e.bound, e.data = make([]*array, len(p.Buffers)), make([][]byte, len(p.Buffers))
	if err := e.adopt(bound); err != nil {
		return nil, err
	}
	if err := e.build(d.joinArena); err != nil {
		return nil, err
	}
	return e, nil
}

// copyOf returns a Program that its maker cannot change any more.
func copyOf(p *backend.Program) *backend.Program {
	c := &backend.Program{Name: p.Name, Buffers: slices.Clone(p.Buffers)}
	for _, in := range p.Code {
		c.Add(in.Label, backend.CloneOp(in.Op))
	}
	return c
}

// adopt takes the bound tensors.
func (e *executable) adopt(bound []backend.Tensor) (err error) {
	e.claims, err = backend.Adopt(e.program, bound, e.device.usageOf, func(id backend.BufferID, t backend.Tensor) {
		e.bound[id] = t.(*array)
		e.data[id] = e.bound[id].data
	})
	if err != nil {
		return fmt.Errorf("cpu: program %q, %w", e.program.Name, err)
	}
	return nil
}

// build compiles the steps, for scratch memory that join gives. Those that were there
// stay if that fails.
func (e *executable) build(join func(bytes int) (*arena, error)) error {
	p, d := e.program, e.device
	c := &compiler{
		device: d, program: p, threads: d.workers.threads, fault: &e.fault,
		tensors: e.bound, accesses: p.Accesses(), memory: slices.Clone(e.data),
	}
	if err := c.compile(e.plan, join); err != nil {
		return err
	}
	d.leaveArena(e.arena)
	d.release(e)
	e.steps, e.work, e.arena, e.kept = c.steps, c.work, c.arena, c.kept
	kept := 0
	for _, k := range e.kept {
		kept += len(k.memory)
	}
	if e.memory == 0 { // it stays the same
		e.memory = int64(c.scratch + kept)
	}
	d.hold(e, int64(kept))
	return nil
}

// lockArena claims the scratch memory for a run. If another run is in it the Executable
// moves to an arena where there is none or, if there is no memory for one, waits.
func (e *executable) lockArena() {
	if e.arena == nil || e.arena.inUse.TryLock() {
		return
	}
	if e.build(e.device.joinFreeArena) != nil {
		e.arena.inUse.Lock()
	}
}

func (e *executable) unlockArena() {
	if e.arena != nil {
		e.arena.inUse.Unlock()
	}
}

// Run implements backend.Executable. It returns when the Program has run. An
// index out of range that the Program itself has made is ErrRange.
func (e *executable) Run(ctx context.Context) error { return e.run(ctx, "Run", nil) }

// run runs the Program, one instruction after the other if a profile of them is wanted.
func (e *executable) run(ctx context.Context, what string, profile *backend.Profile) error {
	e.device.lifetime.RLock()
	defer e.device.lifetime.RUnlock()
	if err := e.usage.Begin(backend.Write); err != nil {
		return fmt.Errorf("cpu: %s of program %q: %w", what, e.program.Name, err)
	}
	defer e.usage.End(backend.Write)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.claims.Begin(); err != nil {
		return fmt.Errorf("cpu: %s of program %q: %w", what, e.program.Name, err)
	}
	e.lockArena()
	for _, d := range e.kept {
		d.begin()
	}
	e.device.workers.enter(e.job)
	if profile == nil {
		e.do(e.steps)
	} else {
		profile.Ops = e.time()
	}
	e.device.workers.leave(e.job)
	e.unlockArena()
	e.claims.Written()
	e.claims.End()
	return e.fault.take(e.program.Name)
}

// do executes steps, one after the other.
func (e *executable) do(steps []step) {
	for i := range steps {
		if s := &steps[i]; !s.idle() {
			e.device.workers.do(e.job, s.parts, s.work)
		}
	}
}

// time executes the instructions and measures each.
func (e *executable) time() []backend.OpTime {
	ops := make([]backend.OpTime, len(e.work))
	for i, in := range e.work {
		start := time.Now()
		e.do(e.steps[in.from:in.to])
		ops[i] = in.OpTime
		ops[i].Time = time.Since(start)
	}
	return ops
}

// Memory implements backend.Executable.
func (e *executable) Memory() int64 { return e.memory }

// Close implements backend.Executable.
func (e *executable) Close() error {
	e.device.lifetime.RLock()
	defer e.device.lifetime.RUnlock()
	if err := e.usage.Begin(backend.Write); err != nil {
		return fmt.Errorf("cpu: Close of program %q: %w", e.program.Name, err)
	}
	defer e.usage.End(backend.Write)
	e.device.release(e)
	e.device.leaveArena(e.arena)
	e.drop()
	return nil
}

func (e *executable) drop() {
	e.usage.Retire()
	e.steps, e.work, e.bound, e.data, e.claims, e.arena, e.kept = nil, nil, nil, nil, nil, nil, nil
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
