package backendtest

import (
	"context"
	"errors"

	"fovea/backend"
)

// stepwise makes a float32 backend of the reference: it runs a Program Op by Op,
// keeps scratch in tensors and rounds every value. after, if set, is called after
// each Op with the tensors of its operands, to do mischief.
type stepwise struct {
	backend.Backend
	after func(e *stepwiseExecutable, op backend.Op) error
}

type stepwiseExecutable struct {
	b       *stepwise
	ops     []backend.Op
	steps   []backend.Executable
	tensors []backend.Tensor // by buffer
	own     []backend.Tensor // scratch
	runs    int
}

func (b *stepwise) Compile(p *backend.Program, bind map[string]backend.Tensor) (_ backend.Executable, err error) {
	e := &stepwiseExecutable{b: b, tensors: make([]backend.Tensor, len(p.Buffers))}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	bound := backend.NewProgram(p.Name)
	for id, buffer := range p.Buffers {
		if id == 0 {
			continue
		}
		if buffer.Kind == backend.Bound {
			e.tensors[id] = bind[buffer.Name]
		} else {
			buffer.Kind, buffer.Name = backend.Bound, "scratch "+valueName(backend.BufferID(id))
			t, err := b.NewTensor(backend.TensorSpec{Name: buffer.Name, DType: buffer.DType, Shape: backend.Shape{buffer.Elements}, Limit: buffer.Limit})
			if err != nil {
				return nil, err
			}
			e.tensors[id] = t
			e.own = append(e.own, t)
		}
		bound.AddBuffer(buffer)
	}
	for _, in := range p.Code {
		step := &backend.Program{Name: p.Name, Buffers: bound.Buffers, Code: []backend.Instruction{in}}
		all := map[string]backend.Tensor{}
		for id, t := range e.tensors[1:] {
			all[bound.Buffers[id+1].Name] = t
		}
		exe, err := b.Backend.Compile(step, all)
		if err != nil {
			return nil, err
		}
		e.steps = append(e.steps, exe)
		e.ops = append(e.ops, in.Op)
	}
	return e, nil
}

func (e *stepwiseExecutable) Run(ctx context.Context) error {
	for i, s := range e.steps {
		if err := s.Run(ctx); err != nil {
			return err
		}
		for _, o := range e.ops[i].Operands() {
			if o.Access.Writes() {
				t := e.tensors[o.View.Buffer]
				a, err := download(t)
				if err != nil {
					return err
				}
				if err := t.Write(a.dense()); err != nil {
					return err
				}
			}
		}
		if e.b.after != nil {
			if err := e.b.after(e, e.ops[i]); err != nil {
				return err
			}
		}
	}
	e.runs++
	return nil
}

func (e *stepwiseExecutable) Memory() (n int64) {
	for _, s := range e.steps {
		n += s.Memory()
	}
	return n
}

func (e *stepwiseExecutable) Close() error {
	var errs []error
	for _, s := range e.steps {
		errs = append(errs, s.Close())
	}
	for _, t := range e.own {
		errs = append(errs, t.Free())
	}
	return errors.Join(errs...)
}
