package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/backend/backendtest"
	"fovea/cpu/internal/gemm"
)

// TestConformance certifies every instruction set of this machine.
func TestConformance(t *testing.T) {
	for _, k := range gemm.Kernels() {
		t.Run(k.Name(), func(t *testing.T) {
			open := func(t testing.TB, threads int) backend.Backend {
				b, err := backend.Open("cpu:"+k.Name(), backend.Options{Threads: threads})
				require.NoError(t, err)
				return b
			}
			backendtest.RunConfig(t, func(t testing.TB) backend.Backend { return open(t, 2) }, backendtest.Config{OpenThreads: open})
		})
	}
}
