package reference

import (
	"context"
	"fmt"
	"time"

	"fovea/backend"
)

// executable is a Program with its tensors and its scratch: one array for each
// scratch buffer that is used, none shared.
type executable struct {
	device *device
	name   string
	claims backend.Claims
	usage  backend.Usage // of all below

	steps   []step
	tensors []*hostTensor // by BufferID: those that it uses
	scratch []array       // by BufferID
	bytes   int64
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
	e := &executable{device: d, name: p.Name, tensors: make([]*hostTensor, len(p.Buffers)), scratch: make([]array, len(p.Buffers))}
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
func (e *executable) adopt(p *backend.Program, bound []backend.Tensor) (err error) {
	e.claims, err = backend.Adopt(p, bound, e.device.usageOf, func(id backend.BufferID, t backend.Tensor) {
		e.tensors[id] = t.(*hostTensor)
	})
	if err != nil {
		return fmt.Errorf("reference: program %q, %w", p.Name, err)
	}
	for id, a := range p.Accesses() {
		b := p.Buffers[id]
		if a == 0 || b.Kind == backend.Bound {
			continue
		}
		if e.scratch[id], err = newArray(b.DType, b.Elements); err != nil {
			return fmt.Errorf("reference: program %q, buffer %d %q: %w", p.Name, id, b.Name, err)
		}
		e.bytes += e.scratch[id].size()
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
	if err := e.usage.Begin(backend.Write); err != nil {
		return fmt.Errorf("reference: %s of program %q: %w", what, e.name, err)
	}
	defer e.usage.End(backend.Write)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.claims.Begin(); err != nil {
		return fmt.Errorf("reference: %s of program %q: %w", what, e.name, err)
	}
	defer e.claims.End()
	m := &memory{buffers: make([]array, len(e.scratch)), threads: e.device.threads}
	for id, a := range e.scratch {
		a.poison()
		m.buffers[id] = a
	}
	for id, t := range e.tensors {
		if t != nil {
			m.buffers[id] = t.data
		}
	}
	e.claims.Written()
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
	if err := e.usage.Begin(backend.Write); err != nil {
		return fmt.Errorf("reference: Close of program %q: %w", e.name, err)
	}
	defer e.usage.End(backend.Write)
	e.device.release(e)
	e.drop()
	return nil
}

func (e *executable) drop() {
	e.usage.Retire()
	e.claims, e.tensors, e.scratch = nil, nil, nil
}
