//go:build cuda && linux && (amd64 || arm64)

package driver

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/cu"
)

func init() {
	scenarios["status"] = func() error {
		fmt.Printf("path %q; ", Path())
		if err := Status(); err != nil {
			return err
		}
		_, err := Open(0)
		return err
	}
}

func fake(t *testing.T, result, version, devices int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libfake.so")
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "cc" // cgo needed one to build this test
	}
	out, err := exec.Command(compiler, "-shared", "-fPIC", "-o", path, fmt.Sprintf("-DFAKE_INIT=%d", result),
		fmt.Sprintf("-DFAKE_VERSION=%d", version), fmt.Sprintf("-DFAKE_DEVICES=%d", devices), "testdata/fake.c").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

func TestStatus(t *testing.T) {
	notALibrary := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(notALibrary, []byte("not a library"), 0o644))
	for _, c := range []struct {
		name, path string
		want       []string
	}{
		{"missing", "/nowhere/libcuda.so.1", []string{"[no NVIDIA driver found]", "/nowhere/libcuda.so.1", "FOVEA_CUDA_DRIVER", `path ""`}},
		{"not a library", notALibrary, []string{"[no NVIDIA driver found]", notALibrary}},
		{"another library", "libm.so.6", []string{"[no NVIDIA driver found]", "libm.so.6: not a CUDA driver"}},
		{"stub", fake(t, 34, 12000, 0), []string{"cuInit", "[no NVIDIA driver found]", "libfake.so"}},
		{"no device", fake(t, 100, 12000, 0), []string{"cuInit", "[no NVIDIA device]", "libfake.so"}},
		{"none listed", fake(t, 0, 12000, 0), []string{"[no NVIDIA device]", "lists none"}},
		{"mismatch", fake(t, 803, 12000, 1), []string{"cuInit", "[NVIDIA driver too old]"}},
		{"old", fake(t, 0, 11070, 1), []string{"[NVIDIA driver too old]", "supports CUDA 11.7, and fovea needs 11.8"}},
		{"broken", fake(t, 999, 12000, 1), []string{"as the fake was told (CUDA_ERROR_UNKNOWN)", "[device lost]"}},
		{"lacks functions", fake(t, 0, 12000, 1), []string{"libfake.so", "cuDeviceGetName", "unknown to this driver (CUDA 12.0)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := play(t, "status", "FOVEA_CUDA_DRIVER="+c.path)
			for _, want := range c.want {
				assert.Contains(t, got, want)
			}
		})
	}
}

func TestUse(t *testing.T) {
	if retained.Load() > 0 {
		t.Skip("another test opened a device")
	}
	before := Path()
	require.ErrorIs(t, Use(""), ErrInvalid)
	require.ErrorIs(t, Use("/nowhere/libcuda.so.1"), ErrNoDriver)
	require.Equal(t, "", Path())
	path := fake(t, 0, 12010, 3)
	require.NoError(t, Use(path))
	require.Equal(t, path, Path())
	require.Equal(t, 12010, Version())
	n, err := DeviceCount()
	require.NoError(t, err)
	require.Equal(t, 3, n)
	_, err = Open(3)
	require.ErrorIs(t, err, ErrNoDevice)
	require.ErrorContains(t, err, "device 3 of 3")
	if before != "" {
		require.NoError(t, Use(before))
	} else {
		require.Error(t, Use("/nowhere/libcuda.so.1"))
	}
}

// TestBinaryDoesNotNeedADriver checks that nothing in the binary asks the dynamic loader for libcuda, and that no trampoline is
// visible to a driver library, which could bind to it in place of its own function.
func TestBinaryDoesNotNeedADriver(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	f, err := elf.Open(self)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	libraries, err := f.ImportedLibraries()
	require.NoError(t, err)
	for _, l := range libraries {
		assert.NotContains(t, l, "cuda")
	}
	symbols, err := f.DynamicSymbols()
	require.NoError(t, err)
	for _, s := range symbols {
		assert.False(t, strings.HasPrefix(s.Name, "cu"), "dynamic symbol %s", s.Name)
	}
}

// TestHandles checks what handle relies on: cu's wrappers hold one pointer and nothing else.
func TestHandles(t *testing.T) {
	const pointer = unsafe.Sizeof(uintptr(0))
	assert.Equal(t, pointer, unsafe.Sizeof(cu.CUContext{}))
	assert.Equal(t, pointer, unsafe.Sizeof(cu.Module{}))
	assert.Equal(t, pointer, unsafe.Sizeof(cu.Function{}))
	assert.Equal(t, pointer, unsafe.Sizeof(cu.Stream{}))
	assert.Equal(t, pointer, unsafe.Sizeof(cu.Event{}))
	assert.Equal(t, pointer, unsafe.Sizeof(cu.Graph{}))
	assert.Equal(t, pointer, unsafe.Sizeof(GraphNode{}))
}

func TestErrors(t *testing.T) {
	assert.NoError(t, throughCu("cuX", nil))
	assert.ErrorIs(t, throughCu("cuMemAlloc", cu.OutOfMemory), ErrOutOfMemory)
	assert.ErrorIs(t, throughCu("cuStreamSynchronize", cu.IllegalAddress), ErrDeviceLost)
	assert.ErrorIs(t, throughCu("cuStreamSynchronize", cu.IllegalAddress), ErrIllegalAddress)
	assert.NotErrorIs(t, throughCu("cuMemAlloc", cu.OutOfMemory), ErrDeviceLost)
	assert.ErrorIs(t, throughCu("cuX", os.ErrNotExist), os.ErrNotExist)
	assert.ErrorContains(t, throughCu("cuMemAlloc", cu.OutOfMemory), "cuMemAlloc")
}

// TestBuildsWithToolkits links cu as it is compiled where a CUDA toolkit is installed, whose header gives some functions newer
// symbols than fovea's.
func TestBuildsWithToolkits(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles cu anew")
	}
	for _, release := range []string{"11.8", "12.9"} {
		t.Run(release, func(t *testing.T) {
			headers, err := filepath.Glob("../include/.headers/" + release + "/nvidia/*/include")
			require.NoError(t, err)
			if len(headers) == 0 {
				t.Skip("NVIDIA's header is not here: run make -C cuda/include headers")
			}
			include, err := filepath.Abs(headers[0])
			require.NoError(t, err)
			c := exec.Command("go", "test", "-tags", "cuda", "-c", "-o", filepath.Join(t.TempDir(), "driver.test"), ".")
			c.Env = append(os.Environ(), "CGO_CFLAGS=-O2 -g -I"+include)
			out, err := c.CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
	}
}
