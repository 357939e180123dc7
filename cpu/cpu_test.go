package cpu

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/backend/backendtest"
	"fovea/cpu/internal/gemm"
	"fovea/cpu/internal/vec"
)

// eachInstructionSet runs f as a subtest for every instruction set of this
// machine.
func eachInstructionSet(t *testing.T, f func(t *testing.T, name string)) {
	for _, k := range gemm.Kernels() {
		t.Run(k.Name(), func(t *testing.T) { f(t, "cpu:"+k.Name()) })
	}
}

func openBackend(t testing.TB, name string, threads int) *device {
	b, err := backend.Open(name, backend.Options{Threads: threads})
	require.NoError(t, err)
	return b.(*device)
}

// closing opens a backend that is closed when the test ends.
func closing(t testing.TB, name string, threads int) *device {
	d := openBackend(t, name, threads)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// TestConformance certifies every instruction set with one, two and three threads;
// all cases with two of them.
func TestConformance(t *testing.T) {
	eachInstructionSet(t, func(t *testing.T, name string) {
		for threads := 1; threads <= 3; threads++ {
			if testing.Short() && threads != 2 {
				continue
			}
			t.Run(fmt.Sprint(threads), func(t *testing.T) {
				config := backendtest.Config{Short: testing.Short() || threads != 2, Winograd: winogradIn(closing(t, name, 1))}
				if threads == 2 {
					config.OpenThreads = func(t testing.TB, threads int) backend.Backend { return openBackend(t, name, threads) }
				}
				backendtest.RunConfig(t, func(t testing.TB) backend.Backend { return openBackend(t, name, threads) }, config)
			})
		}
	})
}

// TestEveryInstructionSetHasVectors sees to it that no instruction set falls back
// to the portable loops for want of a name.
func TestEveryInstructionSetHasVectors(t *testing.T) {
	require.Len(t, vec.Kernels(), len(gemm.Kernels()))
	for _, k := range gemm.Kernels() {
		require.Equal(t, k.Name(), vectors(k.Name()).Name())
	}
}
