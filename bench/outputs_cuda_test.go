//go:build cuda

package bench

import (
	"cmp"
	"encoding/gob"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/backend/backendtest"
	"fovea/cuda/driver"
)

var (
	outputsFile = flag.String("outputs", "", "a file for what the conformance suite reads from the device")
	againstFile = flag.String("against", "", "such a file, of another driver, to compare with")
)

// outputs is all that the conformance suite read from a device, in order, by kind of
// Op. Floats are kept as their bits.
type outputs map[string][]reading

// reading is one tensor as it was read.
type reading struct {
	Compiled int    // how many Programs had been compiled before
	Program  string // the listing of the one that was compiled last
	Tensor   string
	Rounded  bool // whether the Program may use approximate instructions
	Float    bool
	Bits     []uint32
}

// TestOutputs runs the conformance suite's Programs and keeps what they make, or
// compares it, bit for bit, with what another driver made: so the virtual machine is
// checked against a GPU. Only approximate instructions, which exponentials and
// logarithms are built on, may round differently there; both results lie within the
// suite's bounds then, and the test reports how far apart they are.
func TestOutputs(t *testing.T) {
	if *outputsFile == "" && *againstFile == "" {
		t.Skip("needs -outputs or -against, see gpu/README.md")
	}
	require.NoError(t, driver.Status())
	t.Logf("driver %s, simulated: %v", driver.Path(), driver.Simulated())
	made := outputs{}
	t.Run("Suite", func(t *testing.T) {
		backendtest.RunConfig(t, func(t testing.TB) backend.Backend {
			b, err := backend.Open("cuda:0", backend.Options{})
			require.NoError(t, err)
			kind := t.Name()[strings.LastIndex(t.Name(), "/")+1:]
			if !slices.Contains(backend.Kinds(), kind) {
				return b // the rules for tensors and errors make nothing to compare
			}
			return &recorder{Backend: b, kind: kind, made: made}
		}, backendtest.Config{Short: true})
	})
	for _, readings := range made {
		// The suite reads the tensors of a Program in any order.
		slices.SortStableFunc(readings, func(a, b reading) int {
			return cmp.Or(cmp.Compare(a.Compiled, b.Compiled), cmp.Compare(a.Tensor, b.Tensor))
		})
	}
	if *outputsFile != "" {
		f, err := os.Create(*outputsFile)
		require.NoError(t, err)
		require.NoError(t, gob.NewEncoder(f).Encode(made))
		require.NoError(t, f.Close())
	}
	if *againstFile == "" {
		return
	}
	f, err := os.Open(*againstFile)
	require.NoError(t, err)
	defer f.Close()
	var others outputs
	require.NoError(t, gob.NewDecoder(f).Decode(&others))
	require.NotEmpty(t, others)
	for _, kind := range backend.Kinds() {
		t.Run(kind, func(t *testing.T) { compareOutputs(t, made[kind], others[kind]) })
	}
}

func compareOutputs(t *testing.T, made, others []reading) {
	require.Len(t, made, len(others), "runs of the suite")
	values, apart, worst := 0, 0, int64(0)
	for i, m := range made {
		o := others[i]
		require.Equal(t, o.Program+o.Tensor, m.Program+m.Tensor)
		require.Len(t, m.Bits, len(o.Bits), m.Program)
		for k, bits := range m.Bits {
			values++
			if bits == o.Bits[k] {
				continue
			}
			apart++
			if !m.Rounded || !m.Float {
				assert.Fail(t, "other bits", "element %d is %#08x, on the other driver %#08x in %q of\n%s", k, bits, o.Bits[k], m.Tensor, m.Program)
				break
			}
			worst = max(worst, distance(bits, o.Bits[k]))
		}
	}
	t.Logf("%d values, %d differ, by at most %d units in the last place", values, apart, worst)
}

// distance counts the float32 numbers between two.
func distance(a, b uint32) int64 {
	line := func(bits uint32) int64 {
		if v := int64(bits &^ (1 << 31)); bits>>31 == 0 {
			return v
		} else {
			return -v
		}
	}
	d := line(a) - line(b)
	return max(d, -d)
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b float32
		want int64
	}{
		{1, 1, 0},
		{0, float32(math.Copysign(0, -1)), 0},
		{1, math.Nextafter32(1, 2), 1},
		{math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 2},
	} {
		assert.Equal(t, c.want, distance(math.Float32bits(c.a), math.Float32bits(c.b)), fmt.Sprint(c.a, " ", c.b))
	}
}

// recorder keeps what is read from a backend's tensors.
type recorder struct {
	backend.Backend
	kind string
	made outputs
	last reading // its description goes for all that is read until the next Program
}

func (r *recorder) NewTensor(spec backend.TensorSpec) (backend.Tensor, error) {
	x, err := r.Backend.NewTensor(spec)
	if err != nil {
		return nil, err
	}
	return recordedTensor{x, r}, nil
}

func (r *recorder) Compile(p *backend.Program, bind map[string]backend.Tensor) (backend.Executable, error) {
	r.last.Compiled++
	r.last.Program = p.String()
	r.last.Rounded = slices.ContainsFunc(p.Code, func(i backend.Instruction) bool { return rounded(i.Op) })
	plain := make(map[string]backend.Tensor, len(bind))
	for name, x := range bind {
		if x, ok := x.(recordedTensor); ok {
			plain[name] = x.Tensor
		}
	}
	return r.Backend.Compile(p, plain)
}

type recordedTensor struct {
	backend.Tensor
	recorder *recorder
}

func (x recordedTensor) Read(host *tensor.Dense) error {
	if err := x.Tensor.Read(host); err != nil {
		return err
	}
	made := x.recorder.last
	made.Tensor = x.Spec().Name
	switch values := host.Data().(type) {
	case []float32:
		made.Float = true
		for _, v := range values {
			made.Bits = append(made.Bits, math.Float32bits(v))
		}
	case []int32:
		for _, v := range values {
			made.Bits = append(made.Bits, uint32(v))
		}
	case []uint8:
		for _, v := range values {
			made.Bits = append(made.Bits, uint32(v))
		}
	default:
		return fmt.Errorf("bench: a tensor of %T was read", values)
	}
	x.recorder.made[x.recorder.kind] = append(x.recorder.made[x.recorder.kind], made)
	return nil
}

// rounded tells whether an Op's kernel may use instructions that PTX calls .approx.
func rounded(op backend.Op) bool {
	switch o := op.(type) {
	case *backend.Conv2D:
		return transcendental(o.Activation.Func)
	case *backend.MatMul:
		return transcendental(o.Activation.Func)
	case *backend.BatchNormInference:
		return transcendental(o.Activation.Func)
	case *backend.Unary:
		return transcendental(o.Func)
	case *backend.UnaryGrad:
		return transcendental(o.Func)
	case *backend.Softmax, *backend.SoftmaxGrad, *backend.Loss, *backend.LossGrad:
		return true
	}
	return false
}

// transcendental tells whether a function is more than arithmetic and square roots.
func transcendental(f backend.Func) bool {
	switch f {
	case backend.Sigmoid, backend.Tanh, backend.ELU, backend.Exp, backend.Log, backend.Sin, backend.Cos, backend.Softplus, backend.Power:
		return true
	}
	return false
}
