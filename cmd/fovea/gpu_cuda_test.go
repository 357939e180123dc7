//go:build cuda

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/cuda"
	"fovea/cuda/driver"
)

// gpuBinary builds the command with GPUs, beside the one without.
var gpuBinary = sync.OnceValues(func() (string, error) {
	path := binary + "-cuda"
	out, err := exec.Command("go", "build", "-tags", "cuda", "-o", path, ".").CombinedOutput()
	if err != nil {
		return string(out), err
	}
	return path, nil
})

// foveaGPU runs the command with GPUs in a folder, with more environment.
func foveaGPU(t *testing.T, environment []string, dir string, args ...string) outcome {
	t.Helper()
	path, err := gpuBinary()
	require.NoError(t, err, path)
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environment...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	return finished(t, cmd.Run(), &stdout, &stderr)
}

// needGPU skips a test where no driver, real or simulated, has a device, or fails it if
// FOVEA_REQUIRE_CUDA is 1.
func needGPU(t *testing.T) {
	t.Helper()
	if _, err := cuda.Devices(); err != nil {
		if os.Getenv("FOVEA_REQUIRE_CUDA") == "1" {
			require.NoError(t, err, "FOVEA_REQUIRE_CUDA=1")
		}
		t.Skip(err)
	}
}

// onSimulator returns an environment that chooses the simulated driver.
func onSimulator(t *testing.T, more ...string) []string {
	t.Helper()
	path, err := filepath.Abs("../../cuda/sim/build/libcuda.so.1")
	require.NoError(t, err)
	if driver.Simulated() {
		path = driver.Path()
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("the simulated driver is not built: run make -C cuda/sim/driver")
	}
	return append([]string{"FOVEA_CUDA_DRIVER=" + path}, more...)
}

// withoutDriver is an environment in which no driver can be found.
var withoutDriver = []string{"FOVEA_CUDA_DRIVER=/nowhere/libcuda.so.1"}

// TestTrainOnGPU trains LeNet-5 on the digits for an epoch, and has the cpu measure
// what came of it.
func TestTrainOnGPU(t *testing.T) {
	needGPU(t)
	dir := t.TempDir()
	o := foveaGPU(t, nil, dir, "train", "--backend", "cuda", "--model", "lenet5", "--epochs", "1", "--out", "run", "--json")
	require.Equal(t, 0, o.code, o.stderr)
	assert.Empty(t, o.stderr)
	events := o.events(t)
	require.Len(t, events, 3)
	result := events[2]
	assert.Equal(t, "cuda:0", result["backend"])
	assert.Greater(t, result["accuracy"], 0.8)

	cpu := good(t, dir, "eval", "run", "--backend", "cpu", "--json").last(t)
	assert.InDelta(t, result["accuracy"], cpu["accuracy"], 0.01)
	assert.InDelta(t, result["loss"], cpu["loss"], 1e-4)
}

// TestProfileOnGPU: the driver tells what the device can do.
func TestProfileOnGPU(t *testing.T) {
	needGPU(t)
	o := foveaGPU(t, nil, t.TempDir(), "profile", "mlp", "--backend", "cuda", "--batch", "2", "--runs", "1", "--json")
	require.Equal(t, 0, o.code, o.stderr)
	events := o.events(t)
	assert.Equal(t, "cuda:0", events[0]["backend"])
	assert.Positive(t, events[0]["peak_flops"])
	assert.Equal(t, "dense1", events[1]["layer"])
	assert.Equal(t, events[1]["nominal_flop"], events[1]["executed_flop"])
	assert.Positive(t, o.last(t)["images_per_second"])
}

func TestDevicesListsGPUs(t *testing.T) {
	needGPU(t)
	o := foveaGPU(t, nil, t.TempDir(), "devices")
	require.Equal(t, 0, o.code, o.stderr)
	// Name, what it is called, compute capability, memory.
	assert.Regexp(t, regexp.MustCompile(`(?m)^cuda:0 +\S.*, compute capability \d+\.\d, \d.* [GM]iB$`), o.stdout)
	assert.Regexp(t, regexp.MustCompile(`(?m)^cpu `), o.stdout)
	infos, err := cuda.Devices()
	require.NoError(t, err)
	assert.Equal(t, len(infos), strings.Count(o.stdout, "\ncuda:"))
}

// TestWithoutGPU runs the command with GPUs where none works.
func TestWithoutGPU(t *testing.T) {
	for name, c := range map[string]struct {
		environment func(t *testing.T) []string
		cause       string
	}{
		"no driver":  {func(*testing.T) []string { return withoutDriver }, "no NVIDIA driver found: /nowhere/libcuda.so.1"},
		"no device":  {func(t *testing.T) []string { return onSimulator(t, "FOVEA_SIM_FAULT=no-device") }, "no CUDA-capable device"},
		"old driver": {func(t *testing.T) []string { return onSimulator(t, "FOVEA_SIM_FAULT=old-driver") }, "11.4"},
	} {
		t.Run(name, func(t *testing.T) {
			environment, dir := c.environment(t), t.TempDir()
			list := foveaGPU(t, environment, dir, "devices")
			assert.Equal(t, 0, list.code, list.stderr)
			assert.Regexp(t, `(?m)^cuda +.*`+regexp.QuoteMeta(c.cause), list.stdout)
			assert.Regexp(t, `(?m)^cpu `, list.stdout)

			auto := foveaGPU(t, environment, dir, small("--epochs", "1", "--backend", "auto")...)
			require.Equal(t, 0, auto.code, auto.stderr)
			notice := auto.events(t)[0]
			assert.Equal(t, "notice", notice["event"])
			assert.Contains(t, notice["message"], "auto passes over cuda: ")
			assert.Contains(t, notice["message"], c.cause)
			assert.Contains(t, auto.stderr, c.cause)
			assert.Equal(t, "cpu", auto.last(t)["backend"])

			asked := foveaGPU(t, environment, dir, small("--backend", "cuda")...)
			assert.Equal(t, 1, asked.code)
			assert.Contains(t, asked.stderr, c.cause)
			assert.Equal(t, "error", asked.last(t)["event"])
		})
	}
}

// TestGPUIsLost takes the device away between two steps.
func TestGPUIsLost(t *testing.T) {
	o := foveaGPU(t, onSimulator(t, "FOVEA_SIM_FAULT=device-lost:40"), t.TempDir(), small("--backend", "cuda")...)
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stderr, "lost")
	assert.Equal(t, "error", o.last(t)["event"])
}

// TestSmallGPU has room for the network on the device, but not for the digits too.
func TestSmallGPU(t *testing.T) {
	o := foveaGPU(t, onSimulator(t, "FOVEA_SIM_MEMORY=4M"), t.TempDir(), small("--epochs", "1", "--backend", "cuda")...)
	require.Equal(t, 0, o.code, o.stderr)
	assert.Contains(t, o.stderr, "the training set does not stay on cuda:0")
	assert.Contains(t, o.stderr, "out of memory")
	assert.Greater(t, o.last(t)["accuracy"], 0.5)
}
