package safetensors_test

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/internal/safetensors"
)

// interop reads the file that Go wrote (first argument), checks it against values of its own making
// and writes another with the same content (second argument).
const interop = `
import sys
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

want = {
    "conv1.weight": (np.arange(150, dtype=np.float32) / 3).reshape(6, 5, 5, 1),
    "double": np.array([[1 / 3, -np.inf]], dtype=np.float64),
    "labels": np.array([-2**31, 2**31 - 1], dtype=np.int32),
    "scalar": np.array(-2**63, dtype=np.int64),
    "bytes": np.array([0, 127, 255], dtype=np.uint8),
    "empty": np.zeros((2, 0), dtype=np.float32),
    "na\"me\\ \u00e9\U0001F600": np.ones(1, dtype=np.float32),
}
metadata = {"config": "{\"<\u00e9\U0001F600>\": 1}\n", "format": "np"}
with safe_open(sys.argv[1], framework="np") as f:
    assert f.metadata() == metadata, f.metadata()
    assert set(f.keys()) == set(want), f.keys()
    for name, array in want.items():
        got = f.get_tensor(name)
        assert got.dtype == array.dtype and got.shape == array.shape, (name, got.dtype, got.shape)
        assert (got == array).all(), (name, got)
save_file(want, sys.argv[2], metadata=metadata)
`

// Python's safetensors reads what this package writes, and the other way round.
func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: the format is not compared with Python's safetensors")
	}
	if out, err := exec.Command(python, "-c", "import numpy, safetensors.numpy").CombinedOutput(); err != nil {
		t.Skipf("Python cannot import safetensors and numpy (pip install safetensors numpy): the format is not compared with it: %s", out)
	}

	weights := make([]float32, 150)
	for i := range weights {
		weights[i] = float32(i) / 3
	}
	f := &safetensors.File{
		Metadata: map[string]string{"config": "{\"<é\U0001F600>\": 1}\n", "format": "np"},
		Tensors: []safetensors.Tensor{
			{Name: "bytes", Shape: []int{3}, Data: []uint8{0, 127, 255}},
			{Name: "conv1.weight", Shape: []int{6, 5, 5, 1}, Data: weights},
			{Name: "double", Shape: []int{1, 2}, Data: []float64{1.0 / 3, math.Inf(-1)}},
			{Name: "empty", Shape: []int{2, 0}, Data: []float32{}},
			{Name: "labels", Shape: []int{2}, Data: []int32{math.MinInt32, math.MaxInt32}},
			{Name: "na\"me\\ é\U0001F600", Shape: []int{1}, Data: []float32{1}},
			{Name: "scalar", Shape: []int{}, Data: []int64{math.MinInt64}},
		},
	}
	folder := t.TempDir()
	script := filepath.Join(folder, "interop.py")
	require.NoError(t, os.WriteFile(script, []byte(interop), 0o600))
	fromPython := filepath.Join(folder, "python.safetensors")
	out, err := exec.Command(python, script, writeTo(t, folder, write(t, f)), fromPython).CombinedOutput()
	require.NoError(t, err, "%s", out)

	back, err := safetensors.ReadFile(fromPython)
	require.NoError(t, err)
	assert.Equal(t, f.Metadata, back.Metadata)
	assert.ElementsMatch(t, f.Tensors, back.Tensors)
}
