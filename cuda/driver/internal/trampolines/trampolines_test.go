package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	ourHeader = "../../../include/cuda.h"
	generated = "../../trampolines.c"
)

func TestGeneratedFileIsCurrent(t *testing.T) {
	out := filepath.Join(t.TempDir(), "trampolines.c")
	require.NoError(t, run(ourHeader, out))
	want, err := os.ReadFile(out)
	require.NoError(t, err)
	got, err := os.ReadFile(generated)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go generate -tags cuda ./cuda/driver")
}

func TestParse(t *testing.T) {
	got, err := Parse(`
// CUresult cuNot(int); is a comment
#define cuMemAlloc cuMemAlloc_v2
CUresult cuMemAlloc(CUdeviceptr *, size_t);
CUresult cuCtxSynchronize(void);
CUresult cuLong(int,
    void **);
`)
	require.NoError(t, err)
	assert.Equal(t, []Function{
		{Name: "cuMemAlloc", Symbol: "cuMemAlloc_v2", Types: []string{"CUdeviceptr *", "size_t"}},
		{Name: "cuCtxSynchronize", Symbol: "cuCtxSynchronize"},
		{Name: "cuLong", Symbol: "cuLong", Types: []string{"int", "void **"}},
	}, got)
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, header, want string }{
		{"nothing", "int x;", "no prototypes"},
		{"twice", "CUresult cuA(int);\nCUresult cuA(int);", "cuA is declared twice"},
		{"undeclared", "#define cuA cuA_v2\nCUresult cuB(int);", "cuA is defined as cuA_v2 and not declared"},
	} {
		_, err := Parse(c.header)
		assert.ErrorContains(t, err, c.want, c.name)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("#define cuA cuA_v2\nCUresult cuA(int, void **);\nCUresult cuB(void);")
	f.Add("CUresult cuA();")
	f.Fuzz(func(t *testing.T, header string) {
		functions, err := Parse(header)
		if err == nil && (len(functions) == 0 || len(Generate(functions)) == 0) {
			t.Errorf("%q: no error, and no functions", header)
		}
	})
}
