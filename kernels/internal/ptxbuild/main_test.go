package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const here = "../.."

// TestCommittedPTXIsCurrent proves, without nvcc, that all PTX was made of the
// sources as they are.
func TestCommittedPTXIsCurrent(t *testing.T) {
	all, err := sources(here)
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for name, s := range all {
		assert.NoError(t, s.stale(), name)
	}
	left, err := orphans(here, all)
	require.NoError(t, err)
	assert.Empty(t, left, "files without a source")
}

// repository makes a folder of sources with current PTX.
func repository(t *testing.T, files map[string]string) (dir string, s *source) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "ptx"), 0o755))
	for name, text := range files {
		write(t, dir, name, text)
	}
	all, err := sources(dir)
	require.NoError(t, err)
	s = all["a.cu"]
	write(t, dir, "ptx/a.ptx", header(t, s)+".version 6.3\n")
	require.NoError(t, s.stale())
	return dir, s
}

func header(t *testing.T, s *source) string {
	h, err := s.header(".version 6.3\n")
	require.NoError(t, err)
	return h
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
}

func TestStaleness(t *testing.T) {
	files := map[string]string{
		"a.cu":  "#include \"b.cuh\"\nint a;\n",
		"b.cuh": "  #  include \"c.cuh\"\n",
		"c.cuh": "int c;\n",
		"d.cuh": "int d;\n",
	}
	for _, c := range []struct {
		name, file, text string
		stale            bool
	}{
		{"nothing", "c.cuh", "int c;\n", false},
		{"the source", "a.cu", "#include \"b.cuh\"\nint b;\n", true},
		{"a header of a header", "c.cuh", "int x;\n", true},
		{"a header that is not included", "d.cuh", "int x;\n", false},
		{"the target", "a.cu", "// target: compute_80\n#include \"b.cuh\"\nint a;\n", true},
		{"the text", "ptx/a.ptx", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, s := repository(t, files)
			text := c.text
			if c.file == "ptx/a.ptx" {
				text = header(t, s) + ".version 6.4\n"
			}
			write(t, dir, c.file, text)
			all, err := sources(dir)
			require.NoError(t, err)
			assert.Equal(t, c.stale, all["a.cu"].stale() != nil)
		})
	}
	t.Run("a missing header", func(t *testing.T) {
		dir, _ := repository(t, files)
		require.NoError(t, os.Remove(filepath.Join(dir, "c.cuh")))
		all, err := sources(dir)
		require.NoError(t, err)
		assert.ErrorContains(t, all["a.cu"].stale(), "a.cu")
	})
	t.Run("no PTX", func(t *testing.T) {
		dir, s := repository(t, files)
		require.NoError(t, os.Remove(filepath.Join(dir, "ptx", "a.ptx")))
		assert.ErrorIs(t, s.stale(), os.ErrNotExist)
	})
	t.Run("orphans", func(t *testing.T) {
		dir, _ := repository(t, files)
		write(t, dir, "ptx/z.ptx", "")
		all, err := sources(dir)
		require.NoError(t, err)
		left, err := orphans(dir, all)
		require.NoError(t, err)
		assert.Equal(t, []string{filepath.Join(dir, "ptx", "z.ptx")}, left)
	})
}

const raw = `//
// Compiler Build ID: CL-1
//

.version 9.0
.target sm_75
	// .globl	f
.visible .entry f(
)
{
	.loc	1 3 5
	.loc	2 1 38, function_name $L__info_string0, inlined_at 1 5 3

$L__BB0_2:
	.pragma "used_bytes_mask 0xfff0";
	ret;
}
	.file	1 "/home/somebody/kernels/a.cu"
	.file	2 "/opt/nvcc/include/crt/math.hpp", 123, 456
	.section	.debug_str
	{
$L__info_string0:
.b8 95,90,0

	}
`

func TestClean(t *testing.T) {
	text, err := clean(raw, "kernels")
	require.NoError(t, err)
	assert.Equal(t, `.version 9.0
.target sm_75
.visible .entry f(
)
{
	.loc	1 3 5
	.loc	2 1 38

$L__BB0_2:
	ret;
}
	.file	1 "kernels/a.cu"
	.file	2 "nvcc/crt/math.hpp"
`, text)
	assert.Contains(t, stated(text, "6.3"), ".version 6.3\n")
}

func TestCleanRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, c := range []struct{ text, message string }{
		{".target sm_75\n", ".version"},
		{".version 9.0\n.loc x\n", ".loc"},
		{".version 9.0\n.file \"a\"\n", ".file"},
		{".version 9.0\n.section .debug_str {\n", "no end"},
	} {
		_, err := clean(c.text, "kernels")
		assert.ErrorContains(t, err, c.message, c.text)
	}
}

func FuzzClean(f *testing.F) {
	f.Add(raw)
	f.Fuzz(func(t *testing.T, text string) {
		out, err := clean(text, "kernels")
		if err != nil {
			return
		}
		require.Len(t, versionLine.FindAllString(out, -1), 1)
		for _, line := range strings.Split(out, "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), ".loc") {
				require.NotContains(t, line, "inlined_at")
			}
		}
	})
}
