package reference

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"fovea/backend"
)

// executable is a Program with its tensors and its scratch: one array for each
// scratch buffer that is used, none shared.
type executable struct {
	device   *device
	name     string
	steps    []step
	tensors  []*hostTensor // by BufferID; nil where the Program has no use of one
	accesses []backend.Access
	scratch  []array // by BufferID
	bytes    int64
	busy     atomic.Bool
	closed   bool // whoever has claimed busy may look
}

type step struct {
	label, kind string
	cost        backend.Cost
	run         kernel
}

// Compile implements backend.Backend.
func (d *device) Compile(p *backend.Program, bind map[string]backend.Tensor) (backend.Executable, error) {
	d.lifetime.RLock()
	defer d.lifetime.RUnlock()
	if p == nil {
		return nil, fmt.Errorf("reference: Compile: %w: no program is given", backend.ErrProgram)
	}
	if d.closed {
		return nil, fmt.Errorf("reference: Compile %q: %w", p.Name, backend.ErrClosed)
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	bound, err := backend.CheckBindings(p, bind)
	if err != nil {
		return nil, err
	}
	e := &executable{device: d, name: p.Name, accesses: p.Accesses()}
	if err := e.adopt(p, bound); err != nil {
		return nil, err
	}
	for i, in := range p.Code {
		run := kernelOf(backend.CloneOp(in.Op))
		if run == nil {
			return nil, fmt.Errorf("reference: program %q, instruction %d (%q): %w: Op %s", p.Name, i, in.Label, backend.ErrUnsupported, in.Op.Kind())
		}
		e.steps = append(e.steps, step{in.Label, in.Op.Kind(), in.Op.Cost(), run})
	}
	d.hold(e, e.bytes)
	return e, nil
}

// adopt takes the bound tensors and allocates the scratch buffers.
func (e *executable) adopt(p *backend.Program, bound []backend.Tensor) error {
	e.tensors = make([]*hostTensor, len(p.Buffers))
	e.scratch = make([]array, len(p.Buffers))
	for id, b := range p.Buffers {
		if id == 0 {
			continue
		}
		fail := func(err error) error {
			return fmt.Errorf("reference: program %q, buffer %d %q: %w", p.Name, id, b.Name, err)
		}
		if b.Kind == backend.Bound {
			t, ok := bound[id].(*hostTensor)
			if !ok || t.device != e.device {
				return fail(fmt.Errorf("%w: the tensor belongs to another backend", backend.ErrBinding))
			}
			if err := t.claim(backend.Read); err != nil {
				return fail(err)
			}
			t.usage.End(backend.Read)
			if e.accesses[id] != 0 {
				e.tensors[id] = t
			}
			continue
		}
		if e.accesses[id] == 0 {
			continue
		}
		a, err := newArray(b.DType, b.Elements)
		if err != nil {
			return fail(err)
		}
		e.scratch[id] = a
		e.bytes += a.size()
	}
	return nil
}

// Run implements backend.Executable. It returns when the Program has run. An
// index that is out of range, which only an Op can have made, is ErrRange.
func (e *executable) Run(ctx context.Context) error { return e.execute(ctx, "Run", nil) }

// execute runs the Program, and notes how long each step took if times is not nil.
func (e *executable) execute(ctx context.Context, what string, times []time.Duration) error {
	e.device.lifetime.RLock()
	defer e.device.lifetime.RUnlock()
	if err := e.claim(); err != nil {
		return fmt.Errorf("reference: %s of program %q: %w", what, e.name, err)
	}
	defer e.busy.Store(false)
	if err := ctx.Err(); err != nil {
		return err
	}
	m := &memory{buffers: make([]array, len(e.scratch)), threads: e.device.threads}
	for id, a := range e.scratch {
		a.poison()
		m.buffers[id] = a
	}
	for id, t := range e.tensors {
		if t == nil {
			continue
		}
		if err := t.claim(e.accesses[id]); err != nil {
			return fmt.Errorf("reference: %s of program %q: tensor %q: %w", what, e.name, t.spec.Name, err)
		}
		defer t.usage.End(e.accesses[id])
		m.buffers[id] = t.data
	}
	for id, t := range e.tensors {
		if t != nil && e.accesses[id].Writes() {
			t.version.Add(1)
		}
	}
	for i, s := range e.steps {
		start := time.Now()
		if err := s.run(m); err != nil {
			return fmt.Errorf("reference: program %q, instruction %d (%s %q): %w", e.name, i, s.kind, s.label, err)
		}
		if times != nil {
			times[i] = time.Since(start)
		}
	}
	return nil
}

// Memory implements backend.Executable.
func (e *executable) Memory() int64 { return e.bytes }

// Close implements backend.Executable.
func (e *executable) Close() error {
	e.device.lifetime.RLock()
	defer e.device.lifetime.RUnlock()
	if err := e.claim(); err != nil {
		return fmt.Errorf("reference: Close of program %q: %w", e.name, err)
	}
	defer e.busy.Store(false)
	e.device.release(e)
	e.drop()
	return nil
}

func (e *executable) drop() { e.tensors, e.scratch, e.closed = nil, nil, true }

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
