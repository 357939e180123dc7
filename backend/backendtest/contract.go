package backendtest

import (
	"context"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
)

// rule is one promise of the contract beyond the Ops. check opens as many
// backends as it needs and closes them.
type rule struct {
	name  string
	check func(t require.TestingT, open func() backend.Backend)
}

// contract lists all rules.
var contract = []rule{
	{"Info", checkInfo},
	{"Tensor", checkTensor},
	{"TensorRefusals", checkTensorRefusals},
	{"Limit", checkLimit},
	{"Free", checkFree},
	{"Close", checkClose},
	{"Memory", checkMemory},
	{"Order", checkOrder},
	{"Version", checkVersion},
	{"Bindings", checkBindings},
	{"Malformed", checkMalformed},
	{"Cancelled", checkCancelled},
	{"Concat", checkConcat},
	{"StrayPositions", checkStrayPositions},
	{"ConcurrentReaders", checkConcurrentReaders},
	{"ConcurrentRun", checkConcurrentRun},
	{"ConcurrentWriters", checkConcurrentWriters},
	{"ManyGoroutines", checkManyGoroutines},
}

func dense32(values ...float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))
}

func denseInt(values ...int32) *tensor.Dense {
	return tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))
}

func newTensor(t require.TestingT, b backend.Backend, name string, n int) backend.Tensor {
	x, err := b.NewTensor(backend.TensorSpec{Name: name, Shape: backend.Shape{n}})
	require.NoError(t, err)
	return x
}

func read(t require.TestingT, x backend.Tensor) []float32 {
	out := make([]float32, x.Spec().Shape.Elements())
	require.NoError(t, x.Read(dense32(out...)))
	return out
}

// scaled is the program Y = α·X over n elements, through a scratch buffer.
func scaled(n int, alpha float64) *backend.Program {
	p := backend.NewProgram("scaled")
	shape := backend.Shape{n}
	x := backend.View{Buffer: p.AddBuffer(backend.Buffer{Name: "x", Elements: n}), Shape: shape}
	y := backend.View{Buffer: p.AddBuffer(backend.Buffer{Name: "y", Elements: n}), Shape: shape}
	s := backend.View{Buffer: p.AddBuffer(backend.Buffer{Name: "s", Kind: backend.Scratch, Elements: n}), Shape: shape}
	p.Add("first", &backend.Unary{Y: s, X: x, Func: backend.Scale, Alpha: alpha})
	p.Add("then", &backend.Copy{Y: y, X: s})
	return p
}

// filled is the program that sets y, of n elements, to v.
func filled(n int, v float64) *backend.Program {
	p := backend.NewProgram("filled")
	y := backend.View{Buffer: p.AddBuffer(backend.Buffer{Name: "y", Elements: n}), Shape: backend.Shape{n}}
	p.Add("fill", &backend.Fill{Y: y, Value: v})
	return p
}

func compile(t require.TestingT, b backend.Backend, p *backend.Program, bind map[string]backend.Tensor) backend.Executable {
	exe, err := b.Compile(p, bind)
	require.NoError(t, err)
	return exe
}

func run(t require.TestingT, exe backend.Executable) {
	require.NoError(t, exe.Run(context.Background()))
}
