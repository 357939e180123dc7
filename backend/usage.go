package backend

import (
	"fmt"
	"sync/atomic"
)

// Usage counts who is using a tensor, many readers or one writer, and how often it has
// been written. Backends have one in each of their tensors and claim it for the length
// of a run, a Write or a Read; and one in each Executable, which whoever uses it writes.
// The zero value is unused.
type Usage struct {
	users   atomic.Int32 // readers, or −1 for a writer
	version atomic.Uint64
	retired bool // whoever has begun may look
}

// Begin claims the tensor for the given access, or returns ErrBusy at once, or ErrClosed
// after Retire.
func (u *Usage) Begin(a Access) error {
	if err := u.begin(a); err != nil {
		return err
	}
	if u.retired {
		u.End(a)
		return ErrClosed
	}
	return nil
}

func (u *Usage) begin(a Access) error {
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

// Retire marks what was freed. Only who has claimed to write may call it, or who knows
// that nobody else can.
func (u *Usage) Retire() { u.retired = true }

// Written raises the version.
func (u *Usage) Written() { u.version.Add(1) }

// Version tells how often the tensor has been written.
func (u *Usage) Version() uint64 { return u.version.Load() }

// Claims are the tensors that a Program uses, with what it does to each.
type Claims []claim

type claim struct {
	usage  *Usage
	access Access
	name   string
}

// Adopt returns the claims of a Program on the tensors that CheckBindings has found.
// usage tells who uses a tensor, nil where it belongs to another backend; take gets
// those that the Program uses, while they are claimed for reading. The error names the
// buffer, but not the Program.
func Adopt(p *Program, bound []Tensor, usage func(Tensor) *Usage, take func(BufferID, Tensor)) (Claims, error) {
	var claims Claims
	accesses := p.Accesses()
	for id, b := range p.Buffers {
		if id == 0 || b.Kind != Bound {
			continue
		}
		u := usage(bound[id])
		err := fmt.Errorf("%w: the tensor belongs to another backend", ErrBinding)
		if u != nil {
			err = u.Begin(Read)
		}
		if err != nil {
			return nil, fmt.Errorf("buffer %d %q: %w", id, b.Name, err)
		}
		if a := accesses[id]; a != 0 {
			claims = append(claims, claim{u, a, bound[id].Spec().Name})
			take(BufferID(id), bound[id])
		}
		u.End(Read)
	}
	return claims, nil
}

// Begin claims all tensors, or none and names the one that it cannot have.
func (c Claims) Begin() error {
	for i, t := range c {
		if err := t.usage.Begin(t.access); err != nil {
			c[:i].End()
			return fmt.Errorf("tensor %q: %w", t.name, err)
		}
	}
	return nil
}

// End gives back what Begin claimed.
func (c Claims) End() {
	for _, t := range c {
		t.usage.End(t.access)
	}
}

// Written raises the versions of the tensors that the Program writes.
func (c Claims) Written() {
	for _, t := range c {
		if t.access.Writes() {
			t.usage.Written()
		}
	}
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
