//go:build unix

package cpu

import (
	"testing"

	"fovea/backend"
	"fovea/backend/backendtest"
	"fovea/cpu/internal/fence"
)

// TestOpsTouchNothingElse certifies all Ops with every tensor next to memory that does not exist, before it or behind it. There its alignment is that of its
// elements.
func TestOpsTouchNothingElse(t *testing.T) {
	eachInstructionSet(t, func(t *testing.T, name string) {
		for _, side := range []fence.Side{fence.Begin, fence.End} {
			t.Run(side.String(), func(t *testing.T) {
				for _, way := range []algorithm{cheapest, gathered, scattered, transformed} {
					kinds := backend.Kinds()
					if way != cheapest {
						kinds = []string{"Conv2D", "Conv2DInputGrad", "Conv2DFilterGrad"}
					}
					open := func(t testing.TB) backend.Backend {
						d := openBackend(t, name, 2)
						d.allocate = func(n int) ([]byte, error) { return fence.Bytes(t, n, side), nil }
						forcing(d, way)
						return d
					}
					config := backendtest.Config{Short: testing.Short(), Winograd: winogradIn(forcing(closing(t, name, 1), way))}
					backendtest.RunKinds(t, open, config, kinds...)
				}
			})
		}
	})
}
