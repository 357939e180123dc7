//go:build cuda

package train

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/cuda"
	"fovea/cuda/driver"
)

// openCUDA opens the first GPU of whatever driver is found, a real or a simulated
// one. Where there is none the test is skipped, or fails if FOVEA_REQUIRE_CUDA is 1.
func openCUDA(t testing.TB) backend.Backend {
	t.Helper()
	if _, err := cuda.Devices(); err != nil {
		if os.Getenv("FOVEA_REQUIRE_CUDA") == "1" {
			require.NoError(t, err, "FOVEA_REQUIRE_CUDA=1")
		}
		t.Skip(err)
	}
	return openBackend(t, "cuda", 0)
}

// simulated tells that every instruction of a kernel is interpreted, some ten thousand
// times slower than on a GPU.
func simulated() bool { return driver.Simulated() }
