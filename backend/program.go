package backend

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"sort"
	"strings"
)

// BufferKind tells where a buffer's memory comes from.
type BufferKind uint8

const (
	// Bound buffers are tensors made by the caller and shared between Programs:
	// parameters, gradients, optimizer state, inputs, outputs.
	Bound BufferKind = iota
	// Scratch buffers exist only inside one run of an Executable, in its planned
	// arena, and hold nothing when the run begins.
	Scratch
)

// Buffer is a piece of memory that a Program works on.
type Buffer struct {
	Name     string // unique among bound buffers
	Kind     BufferKind
	DType    DType
	Elements int
	// Limit is the exclusive upper bound of an Int32 buffer's values, as in
	// TensorSpec; indices and labels must have one.
	Limit int
}

// Bytes returns the buffer's size.
func (b Buffer) Bytes() int { return b.Elements * b.DType.Size() }

// Instruction is one Op of a Program with the name of the layer it came from.
type Instruction struct {
	Label string
	Op    Op
}

// Program is a list of Ops, executed in order, over buffers. Buffers[0] is
// unused, since BufferID 0 is no buffer.
type Program struct {
	Name    string
	Buffers []Buffer
	Code    []Instruction
}

// NewProgram returns an empty Program.
func NewProgram(name string) *Program { return &Program{Name: name, Buffers: make([]Buffer, 1)} }

// AddBuffer appends a buffer and returns its ID.
func (p *Program) AddBuffer(b Buffer) BufferID {
	p.Buffers = append(p.Buffers, b)
	return BufferID(len(p.Buffers) - 1)
}

// Add appends an Op.
func (p *Program) Add(label string, op Op) { p.Code = append(p.Code, Instruction{label, op}) }

// Buffer returns the buffer with the given ID.
func (p *Program) Buffer(id BufferID) Buffer { return p.Buffers[id] }

// Accesses tells, for every buffer, what the Program does to it.
func (p *Program) Accesses() []Access {
	a := make([]Access, len(p.Buffers))
	for _, in := range p.Code {
		for _, o := range in.Op.Operands() {
			a[o.View.Buffer] |= o.Access
		}
	}
	return a
}

// Cost sums the cost of all Ops.
func (p *Program) Cost() Cost {
	var c Cost
	for _, in := range p.Code {
		c = c.Add(in.Op.Cost())
	}
	return c
}

// String prints the Program, one line for each buffer that is bound and each Op.
func (p *Program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "program %s\n", p.Name)
	for i, buf := range p.Buffers[1:] {
		if buf.Kind == Bound {
			fmt.Fprintf(&b, "  %%%d = bound %s %s[%d]\n", i+1, buf.Name, buf.DType, buf.Elements)
		}
	}
	for _, in := range p.Code {
		fmt.Fprintf(&b, "  %-10s %s", in.Label, in.Op.Kind())
		for _, o := range in.Op.Operands() {
			arrow := ""
			switch o.Access {
			case Write:
				arrow = "→"
			case Update:
				arrow = "↔"
			}
			fmt.Fprintf(&b, " %s%s=%v", arrow, o.Name, *o.View)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Check verifies that the Program is well formed: every Op passes its shape
// rule; every view lies inside its buffer, aligned and of its type; outputs
// overlap no other operand except where the Op allows it; scratch is written
// before it is read; bound buffers have unique names; indices and labels are
// bounded. The error names the instruction.
func (p *Program) Check() error {
	if err := p.checkBuffers(); err != nil {
		return err
	}
	for i, in := range p.Code {
		if in.Op == nil || reflect.ValueOf(in.Op).IsNil() {
			return fmt.Errorf("backend: program %q, instruction %d (%q): %w: there is no Op", p.Name, i, in.Label, ErrProgram)
		}
	}
	written := make([]intervals, len(p.Buffers))
	for i, in := range p.Code {
		fail := func(format string, args ...any) error {
			return fmt.Errorf("backend: program %q, instruction %d (%s %q): %w: %s",
				p.Name, i, in.Op.Kind(), in.Label, ErrProgram, fmt.Sprintf(format, args...))
		}
		if err := in.Op.Check(); err != nil {
			return fmt.Errorf("program %q, instruction %d (%q): %w", p.Name, i, in.Label, err)
		}
		ops := in.Op.Operands()
		for _, o := range ops {
			if int(o.View.Buffer) >= len(p.Buffers) || o.View.Buffer < 0 {
				return fail("%s names buffer %d of %d", o.Name, o.View.Buffer, len(p.Buffers)-1)
			}
			b := p.Buffers[o.View.Buffer]
			switch {
			case b.DType != o.View.DType:
				return fail("%s is %v in a buffer of %v", o.Name, o.View.DType, b.DType)
			case o.View.Offset < 0 || o.View.Offset%b.DType.Size() != 0 || o.View.Offset > b.Bytes()-o.View.Bytes():
				return fail("%s %v lies outside its buffer of %d bytes", o.Name, *o.View, b.Bytes())
			case b.Kind == Scratch && o.Access.Reads() && !written[o.View.Buffer].covers(o.View.Offset, o.View.Offset+o.View.Bytes()):
				return fail("%s %v is read before it is written", o.Name, *o.View)
			}
		}
		if err := checkAliases(ops); err != nil {
			return fail("%v", err)
		}
		if ix, ok := in.Op.(indexed); ok {
			if v, limit := ix.indices(); v.Present() {
				if l := p.Buffers[v.Buffer].Limit; l < 1 || l > limit {
					return fail("the index buffer %q declares the limit %d, expected 1 to %d", p.Buffers[v.Buffer].Name, l, limit)
				}
			}
		}
		for _, o := range ops {
			if o.Access.Writes() && p.Buffers[o.View.Buffer].Kind == Scratch {
				written[o.View.Buffer].add(o.View.Offset, o.View.Offset+o.View.Bytes())
			}
		}
	}
	return nil
}

func (p *Program) checkBuffers() error {
	if len(p.Buffers) == 0 {
		return fmt.Errorf("backend: program %q: %w: it has no buffer 0 (see NewProgram)", p.Name, ErrProgram)
	}
	names := map[string]bool{}
	for i, b := range p.Buffers {
		if i == 0 {
			continue
		}
		if b.Elements < 1 || b.Elements > math.MaxInt32 {
			return fmt.Errorf("backend: program %q: %w: buffer %d %q has %d elements, expected 1 to %d", p.Name, ErrProgram, i, b.Name, b.Elements, math.MaxInt32)
		}
		if b.Kind == Bound {
			if b.Name == "" || names[b.Name] {
				return fmt.Errorf("backend: program %q: %w: bound buffer %d: name %q is empty or taken", p.Name, ErrProgram, i, b.Name)
			}
			names[b.Name] = true
		}
	}
	return nil
}

func checkAliases(ops []Operand) error {
	for i, out := range ops {
		if !out.Access.Writes() {
			continue
		}
		for j, o := range ops {
			if i == j || !out.View.Overlaps(*o.View) {
				continue
			}
			same := out.View.Offset == o.View.Offset && out.View.Bytes() == o.View.Bytes()
			if !(i == 0 && o.InPlace && same) {
				return fmt.Errorf("output %s %v overlaps %s %v", out.Name, *out.View, o.Name, *o.View)
			}
		}
	}
	return nil
}

// indexed is an Op that uses the values of an operand as positions.
type indexed interface {
	// indices returns that operand, absent where there is none, and the number
	// of positions there are.
	indices() (View, int)
}

// intervals is a set of byte ranges, sorted and disjoint.
type intervals [][2]int

// add unites the set with a range. Ranges that touch become one.
func (s *intervals) add(lo, hi int) {
	from := s.endingFrom(lo)
	to := from
	for ; to < len(*s) && (*s)[to][0] <= hi; to++ {
		lo, hi = min(lo, (*s)[to][0]), max(hi, (*s)[to][1])
	}
	*s = slices.Replace(*s, from, to, [2]int{lo, hi})
}

func (s intervals) covers(lo, hi int) bool {
	for _, r := range s[s.endingFrom(lo):] {
		if r[0] > lo {
			break
		}
		if hi <= r[1] {
			return true
		}
	}
	return false
}

// endingFrom returns the index of the first range that does not end before a place.
func (s intervals) endingFrom(at int) int {
	return sort.Search(len(s), func(i int) bool { return s[i][1] >= at })
}

// Concat joins Programs into one that runs them in order. Bound buffers of the
// same name become one; they must agree in type, size and limit. Each Program
// must pass Check.
func Concat(name string, programs ...*Program) (*Program, error) {
	out := NewProgram(name)
	bound := map[string]BufferID{}
	for _, p := range programs {
		if err := p.Check(); err != nil {
			return nil, fmt.Errorf("backend: Concat %q: %w", name, err)
		}
		ids := make([]BufferID, len(p.Buffers))
		for i, b := range p.Buffers {
			if i == 0 {
				continue
			}
			if b.Kind == Scratch {
				ids[i] = out.AddBuffer(b)
				continue
			}
			id, ok := bound[b.Name]
			if !ok {
				id = out.AddBuffer(b)
				bound[b.Name] = id
			} else if out.Buffers[id] != b {
				return nil, fmt.Errorf("backend: Concat %q: %w: buffer %q is %+v in one program and %+v in another", name, ErrProgram, b.Name, out.Buffers[id], b)
			}
			ids[i] = id
		}
		for _, in := range p.Code {
			op := CloneOp(in.Op)
			for _, o := range op.Operands() {
				o.View.Buffer = ids[o.View.Buffer]
			}
			out.Add(in.Label, op)
		}
	}
	return out, nil
}
