package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const report = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'tall' for 'sm_75'
ptxas info    : Function properties for tall
    16 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers, 4224 bytes smem, 604 bytes cmem[0]
ptxas info    : Compiling entry function 'flat' for 'sm_75'
ptxas info    : Function properties for flat
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 24 registers, 584 bytes cmem[0]
`

func TestParse(t *testing.T) {
	us, err := parse(report)
	require.NoError(t, err)
	assert.Equal(t, []usage{
		{kernel: "tall", registers: 255, shared: 4224, stack: 16, spilled: 8, reloaded: 4},
		{kernel: "flat", registers: 24},
	}, us)
	_, err = parse("ptxas info    : Compiling entry function 'f' for 'sm_75'\n")
	assert.ErrorContains(t, err, "f")
}

// fake is a ptxas that reports what it is told.
func fake(t *testing.T, report string) *assembler {
	dir := t.TempDir()
	path := filepath.Join(dir, "ptxas")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "report"), []byte(report), 0o644))
	script := "#!/bin/sh\nif [ \"$1\" = --help ]; then echo \"'sm_75','sm_80','compute_80','sm_90','sm_90a','sm_100f'\"; else cat " + dir + "/report; fi\n"
	require.NoError(t, os.WriteFile(path, []byte(script), 0o755))
	a, err := newAssembler(path)
	require.NoError(t, err)
	return a
}

func TestAssemblerRefusesSpills(t *testing.T) {
	_, err := fake(t, report).assemble("a.ptx", "sm_75")
	assert.ErrorContains(t, err, "tall on sm_75")
	assert.NotContains(t, err.Error(), "flat on")
	_, err = fake(t, report[strings.LastIndex(report, "ptxas info    : Compiling"):]).assemble("a.ptx", "sm_75")
	assert.NoError(t, err)
}

func TestChipsOfATarget(t *testing.T) {
	a := fake(t, "")
	for target, want := range map[string][]string{
		"sm_75":  {"sm_75", "sm_80", "sm_90"},
		"sm_80":  {"sm_80", "sm_90"},
		"sm_90a": {"sm_90a"},
		"sm_100": {},
	} {
		file := filepath.Join(t.TempDir(), "a.ptx")
		require.NoError(t, os.WriteFile(file, []byte(".version 7.0\n.target "+target+"\n"), 0o644))
		have, err := a.chipsFor(file)
		require.NoError(t, err)
		assert.Equal(t, want, have, target)
	}
}

func TestFormat(t *testing.T) {
	text := format([]usage{
		{kernel: "b", file: "x.ptx", chip: "sm_75", registers: 10, shared: 16},
		{kernel: "b", file: "x.ptx", chip: "sm_120", registers: 12},
		{kernel: "a", file: "x.ptx", chip: "sm_80", registers: 8},
	})
	assert.Equal(t, "kernel\tfile\tshared bytes\tregisters sm_75\tsm_80\tsm_90\tsm_120\na\tx.ptx\t0\t-\t8\t-\t-\nb\tx.ptx\t16\t10\t-\t-\t12\n", string(text))
}

// TestTableListsEveryKernel: make ptxas compares the figures.
func TestTableListsEveryKernel(t *testing.T) {
	text, err := os.ReadFile("../../ptxas.tsv")
	require.NoError(t, err)
	files, err := filepath.Glob("../../ptx/*.ptx")
	require.NoError(t, err)
	lines := map[string]bool{}
	for _, l := range strings.Split(string(text), "\n") {
		name, _, _ := strings.Cut(l, "\t")
		lines[name] = true
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, l := range strings.Split(string(text), "\n") {
			if name, ok := strings.CutPrefix(l, ".visible .entry "); ok {
				assert.True(t, lines[strings.TrimSuffix(name, "(")], "%s of %s: run make ptxas-table", name, f)
			}
		}
	}
}
