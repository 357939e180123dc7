//go:build cuda

package cuda

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	_ "fovea/cpu" // what auto falls back to
	"fovea/cuda/driver"
)

// A fault spoils a driver, and its number counts from the start of the process: each
// scenario is played in a second process of this test binary, on the simulated driver.
// Errors are printed with what they wrap, as [out of memory].
var scenarios = map[string]func() error{
	"work": func() error {
		err := work("cuda:0")
		if left := driver.Leaks(); left != nil {
			fmt.Println("never freed:", strings.Join(left, "; "))
		}
		if err != nil {
			fmt.Println("again:", outcome(work("cuda:0")))
		}
		return err
	},
	"auto": func() error {
		b, err := backend.Open("auto", backend.Options{PassedOver: func(family string, cause error) {
			fmt.Printf("not %s: %v\n", family, outcome(cause))
		}})
		if err != nil {
			return err
		}
		fmt.Println("auto is", b.Info().Name)
		return b.Close()
	},
	"two": func() error { return errors.Join(work("cuda:1"), work("cuda:0/explicit")) },
	"devices": func() error {
		infos, err := Devices()
		for _, i := range infos {
			fmt.Printf("%s is %s\n", i.Name, i.Device)
		}
		return err
	},
}

func outcome(err error) string {
	if err == nil {
		return "ended well"
	}
	s := "error: " + err.Error()
	for _, sentinel := range []error{backend.ErrMemory, backend.ErrUnsupported, backend.ErrClosed, driver.ErrNoDriver, driver.ErrNoDevice,
		driver.ErrDriverTooOld, driver.ErrModule, driver.ErrLaunch, driver.ErrDeviceLost} {
		if errors.Is(err, sentinel) {
			s += fmt.Sprintf(" [%v]", sentinel)
		}
	}
	return s
}

// work opens a backend and uses all of it a little: y = 2·x through scratch.
func work(name string) (err error) {
	b, err := backend.Open(name, backend.Options{})
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, b.Close())
		if n := b.Memory().InUse; n != 0 {
			fmt.Println("bytes in use:", n)
		}
	}()
	const n = 3000
	x, err := b.NewTensor(backend.TensorSpec{Name: "x", Shape: backend.Shape{n}})
	if err != nil {
		return err
	}
	y, err := b.NewTensor(backend.TensorSpec{Name: "y", Shape: backend.Shape{n}})
	if err != nil {
		return err
	}
	exe, err := b.Compile(doubling(n), map[string]backend.Tensor{"x": x, "y": y})
	if err != nil {
		return err
	}
	values, got := make([]float32, n), make([]float32, n)
	for i := range values {
		values[i] = float32(i)
	}
	if err := x.Write(dense(values)); err != nil {
		return err
	}
	if err := exe.Run(context.Background()); err != nil {
		return err
	}
	if err := y.Read(dense(got)); err != nil {
		return err
	}
	for i, v := range got {
		if v != 2*values[i] {
			return fmt.Errorf("element %d is %g, expected %g", i, v, 2*values[i])
		}
	}
	return errors.Join(exe.Close(), x.Free(), y.Free())
}

func dense(values []float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(len(values)), tensor.WithBacking(values))
}

// doubling is the Program y = 2·x.
func doubling(n int) *backend.Program {
	p := backend.NewProgram("doubling")
	view := func(name string, kind backend.BufferKind) backend.View {
		return backend.View{Buffer: p.AddBuffer(backend.Buffer{Name: name, Kind: kind, Elements: n}), Shape: backend.Shape{n}}
	}
	x, y, s := view("x", backend.Bound), view("y", backend.Bound), view("s", backend.Scratch)
	p.Add("first", &backend.Copy{Y: s, X: x})
	p.Add("then", &backend.Unary{Y: y, X: s, Func: backend.Scale, Alpha: 2})
	return p
}

// play plays a scenario with environment variables on the simulated driver, and
// returns what it wrote.
func play(t *testing.T, name string, environment ...string) string {
	t.Helper()
	path, err := filepath.Abs("sim/build/libcuda.so.1")
	require.NoError(t, err)
	if driver.Simulated() {
		path = driver.Path()
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("the simulated driver is not built: run make sim")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self)
	c.Env = append(append(os.Environ(), "FOVEA_CUDA_DRIVER="+path, "FOVEA_SIM_FAULT=", "FOVEA_TEST_SCENARIO="+name), environment...)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		fault string
		want  []string // the error
		again bool     // whether all is well afterwards
	}{
		{"alloc:1", []string{`tensor "x"`, "KiB asked for", "free of", "[out of memory]"}, true},
		{"alloc:2", []string{`tensor "y"`, "asked for", "[out of memory]"}, true},
		{"alloc:3", []string{`program "doubling"`, "asked for", "[out of memory]"}, true},
		{"pinned:1", []string{`Write of tensor "x"`, "cuMemHostAlloc", "[out of memory]"}, true},
		{"copy:1", []string{`Write of tensor "x"`, "cuMemcpyHtoDAsync"}, true},
		{"copy:2", []string{`Read of tensor "y"`, "cuMemcpyDtoHAsync"}, true},
		{"graph:1", []string{`program "doubling"`, "cuGraphInstantiate"}, true},
		{"launch:1", []string{`Run of program "doubling"`, "cuGraphLaunch"}, true},
		{"module:1", []string{`Open "cuda:0"`, "average.ptx", "[not supported]", "[module rejected]"}, true},
		{"module:2", []string{`program "doubling"`, `Unary "then"`, "unary.ptx", "[not supported]", "[module rejected]"}, true},
		{"ptx-too-new", []string{`Open "cuda:0"`, "average.ptx", "[not supported]", "[module rejected]"}, false},
		{"no-device", []string{`Open "cuda:0"`, "[not supported]", "[no NVIDIA device]"}, false},
		{"old-driver", []string{`Open "cuda:0"`, "CUDA 11.4", "[not supported]", "[NVIDIA driver too old]"}, false},
		{"device-lost:1", []string{"[device lost]"}, true},
		{"device-lost:3", []string{"[device lost]"}, true},
		{"device-lost:5", []string{"[device lost]"}, true},
	} {
		t.Run(c.fault, func(t *testing.T) {
			got := play(t, "work", "FOVEA_SIM_FAULT="+c.fault)
			for _, want := range c.want {
				assert.Contains(t, got, want)
			}
			assert.Contains(t, got, "error: ")
			assert.NotContains(t, got, "never freed")
			assert.NotContains(t, got, "bytes in use")
			assert.NotContains(t, got, "BUG")
			assert.Equal(t, c.again, strings.Contains(got, "again: ended well"), got)
		})
	}
	assert.Equal(t, "ended well\n", play(t, "work"), "without a fault")
	missing := play(t, "work", "FOVEA_CUDA_DRIVER=/nowhere/libcuda.so.1")
	assert.Contains(t, missing, "/nowhere/libcuda.so.1")
	assert.Contains(t, missing, "[no NVIDIA driver found]")
}

// TestAuto: auto takes the GPU where there is one that works, and otherwise the
// processor, and tells why.
func TestAuto(t *testing.T) {
	assert.Contains(t, play(t, "auto"), "auto is cuda:0\n")
	for fault, want := range map[string]string{
		"no-device":   "[no NVIDIA device]",
		"old-driver":  "[NVIDIA driver too old]",
		"ptx-too-new": "[module rejected]",
		"module:1":    "[module rejected]",
	} {
		got := play(t, "auto", "FOVEA_SIM_FAULT="+fault)
		assert.Contains(t, got, "not cuda: error: ", fault)
		assert.Contains(t, got, want, fault)
		assert.Contains(t, got, "auto is cpu\n", fault)
	}
	got := play(t, "auto", "FOVEA_CUDA_DRIVER=/nowhere/libcuda.so.1")
	assert.Contains(t, got, "[no NVIDIA driver found]")
	assert.Contains(t, got, "auto is cpu\n")
}

func TestDevices(t *testing.T) {
	got := play(t, "devices", "FOVEA_SIM_DEVICES=2")
	assert.Contains(t, got, "cuda:0 is ")
	assert.Contains(t, got, "cuda:1 is ")
	assert.Contains(t, got, "compute capability ")
	assert.Equal(t, "ended well\n", play(t, "two", "FOVEA_SIM_DEVICES=2"))
	assert.Contains(t, play(t, "two"), `Open "cuda:1": not supported: device 1 of 1`)
	assert.Contains(t, play(t, "devices", "FOVEA_SIM_FAULT=no-device"), "[not supported] [no NVIDIA device]")
}

// TestOldAndNewDevices: what is refused is what the kernels cannot run on.
func TestOldAndNewDevices(t *testing.T) {
	for _, capability := range []string{"7.5", "8.0", "9.0", "12.0"} {
		assert.Equal(t, "ended well\n", play(t, "work", "FOVEA_SIM_CAPABILITY="+capability), capability)
	}
	got := play(t, "work", "FOVEA_SIM_CAPABILITY=7.0")
	assert.Contains(t, got, "compute capability 7.0")
	assert.Contains(t, got, "fovea's kernels need 7.5 [not supported]")
	assert.Equal(t, "ended well\n", play(t, "work", "FOVEA_SIM_VERSION=11.8"))
}
