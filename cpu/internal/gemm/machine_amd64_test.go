//go:build amd64 && !noasm

package gemm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

// TestCacheSize compares what the processor says with what Linux makes of it. Cores may differ.
func TestCacheSize(t *testing.T) {
	folders, err := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*/cache/index*")
	require.NoError(t, err)
	read := func(folder, name string) string {
		text, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		return strings.TrimSpace(string(text))
	}
	sizes := map[uint32][]string{}
	for _, folder := range folders {
		if read(folder, "type") != "Instruction" {
			var level uint32
			_, err := fmt.Sscan(read(folder, "level"), &level)
			require.NoError(t, err)
			sizes[level] = append(sizes[level], read(folder, "size"))
		}
	}
	for level, sizes := range sizes {
		assert.Contains(t, sizes, fmt.Sprintf("%dK", cacheSize(level)>>10), "level %d", level)
	}
	assert.Zero(t, cacheSize(7))
}

func TestRowsFitTheCache(t *testing.T) {
	for _, cache := range []int{0, 64 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20} {
		rows := avx512.rowsFor(cache)
		assert.Zero(t, rows%avx512.MR())
		assert.GreaterOrEqual(t, rows, 4*avx512.MR())
		if cache >= 256<<10 {
			assert.LessOrEqual(t, 4*rows*avx512.maxDepth, cache/2)
		}
	}
}
