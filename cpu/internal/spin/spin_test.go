package spin_test

import (
	"testing"

	"fovea/cpu/internal/spin"
)

func TestPauseReturns(*testing.T) {
	for _, n := range []int{-1, 0, 1, 1000} {
		spin.Pause(n)
	}
}

func BenchmarkPause(b *testing.B) {
	for b.Loop() {
		spin.Pause(1)
	}
}
