package cpu

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/cpu/internal/gemm"
)

func TestOpen(t *testing.T) {
	b := closing(t, "auto", 0)
	assert.Equal(t, "cpu", b.Info().Name)
	assert.Contains(t, b.Info().Device, gemm.Default().Name())
	assert.Equal(t, min(runtime.GOMAXPROCS(0), maxThreads), b.Info().Threads)

	eachInstructionSet(t, func(t *testing.T, name string) {
		b := closing(t, name, 3)
		assert.Equal(t, name, b.Info().Name)
		assert.Equal(t, 3, b.Info().Threads)
		assert.Equal(t, "cpu:"+b.vec.Name(), name)
	})
}

func TestOpenRefuses(t *testing.T) {
	for _, device := range []string{"sse9", "AVX2", "0", "portable:1"} {
		_, err := backend.Open("cpu:"+device, backend.Options{})
		require.ErrorIs(t, err, backend.ErrUnsupported, device)
		assert.ErrorContains(t, err, "portable", "the error lists what there is")
	}
}

// TestCloseEndsTheGoroutines opens and closes backends and counts what is left.
func TestCloseEndsTheGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 10 {
		require.NoError(t, openBackend(t, "cpu", 8).Close())
	}
	// The helpers have returned from their functions when Close returns; the runtime
	// may count them a moment longer.
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; {
		require.True(t, time.Now().Before(deadline), "%d goroutines, expected %d", runtime.NumGoroutine(), before)
		runtime.Gosched()
	}
}

func TestThreadsAreBounded(t *testing.T) {
	assert.Equal(t, maxThreads, closing(t, "cpu:portable", 1<<20).Info().Threads)
}
