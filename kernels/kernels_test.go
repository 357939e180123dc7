package kernels

import (
	"encoding/binary"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryKernelIsEmbedded(t *testing.T) {
	require.NotEmpty(t, Kernels())
	for _, k := range Kernels() {
		text := string(PTX(k.File))
		assert.True(t, strings.Contains(text, ".visible .entry "+k.Name+"("), "%s of %s", k.Name, k.File) // not Contains, which prints the text
		assert.True(t, strings.HasPrefix(text, "// Made by"), k.File)
	}
	assert.Nil(t, PTX("nothing"))
}

// TestArgumentsLieAsInC packs a kernel that has a struct of pointers behind one of
// words: both start at a multiple of their alignment.
func TestArgumentsLieAsInC(t *testing.T) {
	c := UnaryGrad(1, 2, 3, 4, 5, Activation{6, 0.5}, GradEpilogue{7, 8, Activation{9, 0.25}}, 10)
	require.Len(t, c.Args, c.Kernel.Size)
	assert.Equal(t, "unaryGrad", c.Kernel.Name)
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(c.Args[at:]) }
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(c.Args[at:]) }
	for i := range 4 {
		assert.EqualValues(t, i+1, u64(8*i))
	}
	assert.EqualValues(t, 5, u32(32))
	assert.EqualValues(t, 6, u32(36))
	assert.Equal(t, math.Float32bits(0.5), u32(40))
	assert.EqualValues(t, 7, u64(48))
	assert.EqualValues(t, 8, u64(56))
	assert.EqualValues(t, 9, u32(64))
	assert.Equal(t, math.Float32bits(0.25), u32(68))
	assert.EqualValues(t, 10, u32(72))
}

// TestPTXIsPlain: no kernel has what would make it slow, keep it from the simulated
// driver, or let the order of a sum depend on time.
func TestPTXIsPlain(t *testing.T) {
	forbidden := map[string]*regexp.Regexp{
		"local memory":                      regexp.MustCompile(`(?m)^\s*\.local|\b(?:ld|st)\.local`),
		"a call":                            regexp.MustCompile(`(?m)^\s*(?:@!?%p\d+\s+)?call`),
		"a variable of the module":          regexp.MustCompile(`(?m)^\s*(?:\.visible\s+)?\.(?:global|const)\s`),
		"an atomic sum of floating numbers": regexp.MustCompile(`\b(?:atom|red)\.[\w.:]*\bf(?:16|32|64)`),
		"an absolute path":                  regexp.MustCompile(`\.file\s+\d+\s+"/`),
		"inlining information":              regexp.MustCompile(`inlined_at`),
	}
	files := map[string]bool{}
	for _, k := range Kernels() {
		files[k.File] = true
	}
	for f := range files {
		for what, pattern := range forbidden {
			assert.Empty(t, pattern.FindString(string(PTX(f))), "%s.ptx has %s", f, what)
		}
	}
}
