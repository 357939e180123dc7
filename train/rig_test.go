package train

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/backend"
	_ "fovea/backend/reference"
	_ "fovea/cpu"
)

// openBackend opens a backend that is closed, and must be empty, at the end of the
// test.
func openBackend(t testing.TB, name string, threads int) backend.Backend {
	t.Helper()
	b, err := backend.Open(name, backend.Options{Threads: threads})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// cpuDevices lists the instruction sets that this machine has, as Open takes them.
func cpuDevices(t testing.TB) []string {
	t.Helper()
	var devices []string
	for _, name := range []string{"cpu:avx512", "cpu:avx2", "cpu:portable"} {
		if b, err := backend.Open(name, backend.Options{Threads: 1}); err == nil {
			devices = append(devices, name)
			require.NoError(t, b.Close())
		} else {
			require.ErrorIs(t, err, backend.ErrUnsupported)
		}
	}
	require.Contains(t, devices, "cpu:portable")
	return devices
}
