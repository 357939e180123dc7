package bench

import (
	"context"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	_ "fovea/backend/reference"
	_ "fovea/cpu"
)

var (
	backendName = flag.String("backend", "cpu", "the backend to measure")
	threads     = flag.Int("threads", 0, "goroutines that share an Op; 0 means one for each processor")
	peak        = flag.Float64("peak", 0, "GFLOP/s that one thread can do at most; speeds come as a percentage of it too")
)

// open opens the backend of the flags for one benchmark.
func open(b *testing.B) backend.Backend {
	device, err := backend.Open(*backendName, backend.Options{Threads: *threads})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, device.Close()) })
	return device
}

// measure times f on a device; f may return before the device is done, wait returns
// when it is. It reports the allocations and, by their cost, the speed of calls.
func measure(b *testing.B, device backend.Backend, cost backend.Cost, f, wait func() error) (perSecond float64) {
	require.NoError(b, f()) // builds what is built once
	require.NoError(b, wait())
	b.ReportAllocs()
	start := time.Now()
	for b.Loop() {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, wait())
	perSecond = float64(b.N) / time.Since(start).Seconds()
	speed := float64(cost.FLOPs) * perSecond / 1e9
	b.ReportMetric(speed, "GFLOP/s")
	if *peak > 0 {
		b.ReportMetric(100*speed/(*peak*float64(device.Info().Threads)), "%peak")
	}
	return perSecond
}

// measureOp times a Program of one Op on random operands; integers are 1, and what
// the Op updates begins with zeros.
func measureOp(b *testing.B, p *backend.Program) {
	device := open(b)
	r := rand.New(rand.NewPCG(1, 2))
	bind := map[string]backend.Tensor{}
	accesses := p.Accesses()
	for i, buffer := range p.Buffers {
		if i == 0 {
			continue
		}
		x, err := device.NewTensor(backend.TensorSpec{Name: buffer.Name, DType: buffer.DType, Shape: backend.Shape{buffer.Elements}, Limit: buffer.Limit})
		require.NoError(b, err)
		switch {
		case accesses[i].Writes():
		case buffer.DType == backend.Int32:
			require.NoError(b, x.Write(tensor.Ones(tensor.Int32, buffer.Elements)))
		default:
			require.NoError(b, x.Write(normal(r, buffer.Elements)))
		}
		bind[buffer.Name] = x
	}
	executable, err := device.Compile(p, bind)
	require.NoError(b, err)
	output := p.Buffer(p.Code[0].Op.Operands()[0].View.Buffer)
	host := tensor.New(tensor.WithShape(output.Elements), tensor.Of(tensor.Float32))
	perSecond := measure(b, device, p.Cost(),
		func() error { return executable.Run(context.Background()) },
		func() error { return bind[output.Name].Read(host) })
	b.ReportMetric(float64(p.Cost().Bytes)*perSecond/1e9, "GB/s")
}

// normal draws an array from the standard normal distribution.
func normal(r *rand.Rand, shape ...int) *tensor.Dense {
	x := tensor.New(tensor.WithShape(shape...), tensor.Of(tensor.Float32))
	for i := range x.Float32s() {
		x.Float32s()[i] = float32(r.NormFloat64())
	}
	return x
}

// program collects the operands of a Program of one Op.
type program struct{ *backend.Program }

func newProgram() program { return program{backend.NewProgram("op")} }

func (p program) float(name string, shape ...int) backend.View {
	id := p.AddBuffer(backend.Buffer{Name: name, Elements: backend.Shape(shape).Elements()})
	return backend.View{Buffer: id, Shape: shape}
}
