//go:build amd64 && !noasm

package winograd

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/cpu"
)

// TestEveryVariantIsThere makes a variant that the processor could run, but that is missing, a failure: the other tests would pass without it.
func TestEveryVariantIsThere(t *testing.T) {
	var want, got []string
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL {
		want = append(want, "avx512")
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		want = append(want, "avx2")
	}
	for _, k := range Kernels() {
		got = append(got, k.Name())
	}
	assert.Equal(t, append(want, "portable"), got)
}
