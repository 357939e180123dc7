package backend

import (
	"fmt"
	"sync/atomic"
)

// Usage counts who is using a tensor: many readers or one writer. Backends embed
// it in their tensors and take it for the length of a run, a Write or a Read. The
// zero value is unused.
type Usage struct {
	users atomic.Int32 // readers, or −1 for a writer
}

// Begin claims the tensor for the given access, or returns ErrBusy at once.
func (u *Usage) Begin(a Access) error {
	if a.Writes() {
		if !u.users.CompareAndSwap(0, -1) {
			return ErrBusy
		}
		return nil
	}
	for {
		n := u.users.Load()
		if n < 0 {
			return ErrBusy
		}
		if u.users.CompareAndSwap(n, n+1) {
			return nil
		}
	}
}

// End gives back what Begin claimed with the same access.
func (u *Usage) End(a Access) {
	if a.Writes() {
		u.users.Store(0)
		return
	}
	u.users.Add(-1)
}

// CheckBindings verifies that bind holds exactly one fitting tensor for each bound
// buffer of a Program that passes Check, and returns them indexed by BufferID.
func CheckBindings(p *Program, bind map[string]Tensor) ([]Tensor, error) {
	tensors := make([]Tensor, len(p.Buffers))
	n := 0
	for id, b := range p.Buffers {
		if id == 0 || b.Kind != Bound {
			continue
		}
		fail := func(format string, args ...any) error {
			return fmt.Errorf("backend: program %q, buffer %q: %w: %s", p.Name, b.Name, ErrBinding, fmt.Sprintf(format, args...))
		}
		t, ok := bind[b.Name]
		if !ok || t == nil {
			return nil, fail("no tensor is given")
		}
		spec := t.Spec()
		switch {
		case spec.DType != b.DType:
			return nil, fail("the tensor is %v, expected %v", spec.DType, b.DType)
		case spec.Shape.Elements() != b.Elements:
			return nil, fail("the tensor %v has %d elements, expected %d", spec.Shape, spec.Shape.Elements(), b.Elements)
		case b.Limit > 0 && (spec.Limit < 1 || spec.Limit > b.Limit):
			return nil, fail("the tensor's limit is %d, expected 1 to %d", spec.Limit, b.Limit)
		}
		for other := 1; other < id; other++ {
			if tensors[other] == t {
				return nil, fail("its tensor is bound to %q too", p.Buffers[other].Name)
			}
		}
		tensors[id] = t
		n++
	}
	if n != len(bind) {
		for name := range bind {
			if !p.binds(name) {
				return nil, fmt.Errorf("backend: program %q: %w: it has no buffer %q", p.Name, ErrBinding, name)
			}
		}
	}
	return tensors, nil
}

func (p *Program) binds(name string) bool {
	for _, b := range p.Buffers[1:] {
		if b.Kind == Bound && b.Name == name {
			return true
		}
	}
	return false
}
