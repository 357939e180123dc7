package backend

import (
	"errors"
	"reflect"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for i, kind := range Kinds() {
		assert.Equal(t, reflect.TypeOf(prototypes[i]).Elem().Name(), kind, "the kind is the struct's name")
		assert.False(t, seen[kind], kind)
		seen[kind] = true
	}
	assert.Len(t, validOps(), len(seen))
}

// TestCloneOp: a clone is equal, and changing its operands and lists leaves the
// original alone.
func TestCloneOp(t *testing.T) {
	for kind, op := range validOps() {
		clone := CloneOp(op)
		require.Equal(t, op, clone, kind)
		for _, o := range clone.Operands() {
			o.View.Buffer, o.View.Offset = 99, 400
		}
		for _, o := range op.Operands() {
			assert.Equal(t, BufferID(1), o.View.Buffer, "%s.%s", kind, o.Name)
		}
	}
	segments := validOps()["OptimizerStep"].(*OptimizerStep)
	CloneOp(segments).(*OptimizerStep).Segments[0].Length = 77
	assert.Equal(t, 3, segments.Segments[0].Length)
	axes := validOps()["Reduce"].(*Reduce)
	CloneOp(axes).(*Reduce).Axes[0] = 77
	assert.Equal(t, []int{1}, axes.Axes)
}

// TestOperands: outputs come first, names are those of the fields, and pointers
// lead into the Op.
func TestOperands(t *testing.T) {
	for kind, op := range validOps() {
		inputs := false
		for i, o := range op.Operands() {
			require.True(t, o.View.Present(), "%s.%s", kind, o.Name)
			inputs = inputs || !o.Access.Writes()
			assert.False(t, inputs && o.Access.Writes(), "%s: output %s behind an input", kind, o.Name)
			assert.False(t, i == 0 && o.InPlace, kind)
			if field := reflect.ValueOf(op).Elem().FieldByName(o.Name); kind != "Concatenate" || i == 0 {
				assert.Same(t, field.Addr().Interface(), o.View, "%s.%s", kind, o.Name)
			}
		}
		present := 0
		countViews(reflect.ValueOf(op).Elem(), &present)
		assert.Len(t, op.Operands(), present, "%s lists every operand", kind)
	}
}

// countViews counts the present Views in a struct.
func countViews(v reflect.Value, n *int) {
	switch {
	case v.Type() == reflect.TypeFor[View]():
		if v.Interface().(View).Present() {
			*n++
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			countViews(v.Field(i), n)
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			countViews(v.Index(i), n)
		}
	}
}

// nothing is a backend that can do nothing.
type nothing struct{ name string }

func (n nothing) Info() Info                                            { return Info{Name: n.name} }
func (nothing) NewTensor(TensorSpec) (Tensor, error)                    { return nil, ErrUnsupported }
func (nothing) Compile(*Program, map[string]Tensor) (Executable, error) { return nil, ErrUnsupported }
func (nothing) Memory() MemoryUse                                       { return MemoryUse{} }
func (nothing) Close() error                                            { return nil }
func opener(name string) Opener {
	return func(device string, o Options) (Backend, error) { return nothing{name + "/" + device}, nil }
}

// withFamilies runs f with other backend families registered.
func withFamilies(f func()) {
	registry.Lock()
	saved := registry.families
	registry.families = map[string]family{}
	registry.Unlock()
	defer func() {
		registry.Lock()
		registry.families = saved
		registry.Unlock()
	}()
	f()
}

func TestOpen(t *testing.T) {
	withFamilies(func() {
		_, err := Open("auto", Options{})
		assert.ErrorIs(t, err, ErrUnknownBackend)
		assert.ErrorContains(t, err, "no backend package is imported")

		broken := errors.New("no device found")
		Register("slow", 1, opener("slow"))
		Register("fast", 10, func(string, Options) (Backend, error) { return nil, broken })
		Register("hidden", 0, opener("hidden"))
		assert.Equal(t, []string{"fast", "hidden", "slow"}, Names())

		for name, want := range map[string]string{"slow": "slow/", "slow:0": "slow/0", "hidden:a:b": "hidden/a:b", "auto": "slow/"} {
			b, err := Open(name, Options{})
			require.NoError(t, err, name)
			assert.Equal(t, want, b.Info().Name, name)
		}
		_, err = Open("fast", Options{})
		assert.ErrorIs(t, err, broken)
		passed := map[string]error{}
		_, err = Open("auto", Options{PassedOver: func(family string, cause error) { passed[family] = cause }})
		require.NoError(t, err)
		assert.Equal(t, map[string]error{"fast": broken}, passed)
		_, err = Open("slow:", Options{})
		assert.ErrorIs(t, err, ErrUnknownBackend)
		assert.ErrorContains(t, err, `Open "slow:"`)
		assert.ErrorContains(t, err, "expected slow or slow:DEVICE")
		for _, name := range []string{"", "SLOW", "gpu:0", ":0"} {
			_, err = Open(name, Options{})
			assert.ErrorIs(t, err, ErrUnknownBackend, name)
			assert.ErrorContains(t, err, "expected auto or one of fast, hidden, slow", name)
		}
		_, err = Open("slow", Options{Threads: -1})
		assert.ErrorContains(t, err, "Threads is -1, expected 0 or more")
		assert.PanicsWithValue(t, "BUG: backend slow registered twice", func() { Register("slow", 1, opener("slow")) })
	})
	withFamilies(func() {
		Register("first", 2, func(string, Options) (Backend, error) { return nil, errors.New("cause one") })
		Register("second", 1, func(string, Options) (Backend, error) { return nil, errors.New("cause two") })
		Register("hidden", 0, opener("hidden"))
		_, err := Open("auto", Options{})
		assert.ErrorIs(t, err, ErrUnsupported)
		assert.ErrorContains(t, err, "first: cause one; second: cause two")
	})
}

// named is a tensor that has a specification alone.
type named struct {
	Tensor
	spec TensorSpec
}

func (n *named) Spec() TensorSpec { return n.spec }

func TestCheckBindings(t *testing.T) {
	p := NewProgram("p")
	x := p.AddBuffer(Buffer{Name: "x", Elements: 6})
	p.AddBuffer(Buffer{Kind: Scratch, Name: "s", Elements: 6})
	i := p.AddBuffer(Buffer{Name: "i", DType: Int32, Elements: 2, Limit: 5})
	tensor := func(s TensorSpec) *named { return &named{spec: s} }
	good := func() map[string]Tensor {
		return map[string]Tensor{"x": tensor(TensorSpec{Shape: Shape{2, 3}}), "i": tensor(TensorSpec{DType: Int32, Shape: Shape{2}, Limit: 5})}
	}
	bind := good()
	got, err := CheckBindings(p, bind)
	require.NoError(t, err)
	assert.Equal(t, []Tensor{nil, bind["x"], nil, bind["i"]}, got)
	assert.Same(t, bind["x"], got[x])
	assert.Same(t, bind["i"], got[i])

	for _, c := range []struct {
		name  string
		spoil func(bind map[string]Tensor)
		says  string
	}{
		{"missing", func(b map[string]Tensor) { delete(b, "i") }, `buffer "i": wrong binding: no tensor is given`},
		{"nil", func(b map[string]Tensor) { b["x"] = nil }, `buffer "x": wrong binding: no tensor is given`},
		{"type", func(b map[string]Tensor) { b["x"] = tensor(TensorSpec{DType: Uint8, Shape: Shape{6}}) }, "the tensor is uint8, expected float32"},
		{"size", func(b map[string]Tensor) { b["x"] = tensor(TensorSpec{Shape: Shape{7}}) }, "the tensor [7] has 7 elements, expected 6"},
		{"no limit", func(b map[string]Tensor) { b["i"] = tensor(TensorSpec{DType: Int32, Shape: Shape{2}}) }, "the tensor's limit is 0, expected 1 to 5"},
		{"high limit", func(b map[string]Tensor) { b["i"] = tensor(TensorSpec{DType: Int32, Shape: Shape{2}, Limit: 6}) }, "the tensor's limit is 6, expected 1 to 5"},
		{"superfluous", func(b map[string]Tensor) { b["z"] = b["x"] }, `it has no buffer "z"`},
		{"scratch", func(b map[string]Tensor) { b["s"] = tensor(TensorSpec{Shape: Shape{6}}) }, `it has no buffer "s"`},
	} {
		bind := good()
		c.spoil(bind)
		_, err := CheckBindings(p, bind)
		assert.ErrorIs(t, err, ErrBinding, c.name)
		assert.ErrorContains(t, err, c.says, c.name)
	}
	p.AddBuffer(Buffer{Name: "again", Elements: 6})
	bind["again"] = bind["x"]
	_, err = CheckBindings(p, bind)
	assert.ErrorContains(t, err, `buffer "again": wrong binding: its tensor is bound to "x" too`)
}

func TestUsage(t *testing.T) {
	var u Usage
	require.NoError(t, u.Begin(Read))
	require.NoError(t, u.Begin(Read))
	assert.ErrorIs(t, u.Begin(Write), ErrBusy)
	u.End(Read)
	assert.ErrorIs(t, u.Begin(Update), ErrBusy)
	u.End(Read)
	require.NoError(t, u.Begin(Update))
	assert.ErrorIs(t, u.Begin(Read), ErrBusy)
	assert.ErrorIs(t, u.Begin(Write), ErrBusy)
	u.End(Update)
	require.NoError(t, u.Begin(Write))
	u.End(Write)
	assert.Zero(t, u.users.Load())
}

// TestUsageEnds: nothing begins after Retire, whatever it was.
func TestUsageEnds(t *testing.T) {
	var u Usage
	require.NoError(t, u.Begin(Write))
	u.Written()
	u.Written()
	u.Retire()
	assert.ErrorIs(t, u.Begin(Read), ErrBusy, "it is still claimed")
	u.End(Write)
	for _, a := range []Access{Read, Write, Update} {
		assert.ErrorIs(t, u.Begin(a), ErrClosed)
	}
	assert.Zero(t, u.users.Load())
	assert.EqualValues(t, 2, u.Version())
}

type used struct {
	Tensor
	spec  TensorSpec
	usage Usage
}

func (u *used) Spec() TensorSpec { return u.spec }

func TestAdopt(t *testing.T) {
	p := NewProgram("p")
	view := func(name string) View {
		return View{Buffer: p.AddBuffer(Buffer{Name: name, Elements: 1}), Shape: Shape{1}}
	}
	x, y, z := view("x"), view("y"), view("z")
	view("idle")
	p.Add("", &Copy{Y: y, X: x})
	p.Add("", &Binary{Y: z, A: z, B: y})
	var tensors [5]used
	bound := make([]Tensor, 5)
	for id := 1; id < 5; id++ {
		tensors[id].spec.Name = p.Buffers[id].Name
		bound[id] = &tensors[id]
	}
	usage := func(t Tensor) *Usage {
		if u, ok := t.(*used); ok {
			return &u.usage
		}
		return nil
	}
	var taken []BufferID
	c, err := Adopt(p, bound, usage, func(id BufferID, x Tensor) {
		assert.Same(t, bound[id], x)
		assert.ErrorIs(t, usage(x).Begin(Write), ErrBusy, "it is claimed")
		taken = append(taken, id)
	})
	require.NoError(t, err)
	assert.Equal(t, []BufferID{1, 2, 3}, taken)

	require.NoError(t, c.Begin())
	require.NoError(t, tensors[1].usage.Begin(Read), "the Program reads it")
	assert.ErrorIs(t, tensors[2].usage.Begin(Read), ErrBusy, "the Program writes it")
	require.NoError(t, tensors[4].usage.Begin(Write), "the Program does not use it")
	c.Written()
	c.End()
	for id, version := range []uint64{0, 0, 1, 1, 0} {
		assert.Equal(t, version, tensors[id].usage.Version())
	}
	require.NoError(t, tensors[3].usage.Begin(Read))
	err = c.Begin()
	require.ErrorIs(t, err, ErrBusy)
	assert.ErrorContains(t, err, `tensor "z"`)
	require.NoError(t, tensors[2].usage.Begin(Write), "all were given back")

	_, err = Adopt(p, bound, usage, func(BufferID, Tensor) {})
	require.ErrorIs(t, err, ErrBusy)
	assert.ErrorContains(t, err, `buffer 2 "y"`)
	_, err = Adopt(p, bound, func(Tensor) *Usage { return nil }, nil)
	require.ErrorIs(t, err, ErrBinding)
}

// TestUsageExcludes: a writer is alone; the race detector watches the counter.
func TestUsageExcludes(t *testing.T) {
	var u Usage
	var wg sync.WaitGroup
	shared := 0
	for i := range 4 {
		wg.Go(func() {
			a := Read
			if i%2 == 0 {
				a = Write
			}
			for range 2000 {
				if u.Begin(a) != nil {
					continue
				}
				if a == Write {
					shared++
				} else {
					_ = shared
				}
				u.End(a)
			}
		})
	}
	wg.Wait()
	assert.Zero(t, u.users.Load())
}
