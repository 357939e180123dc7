package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// network and product are output of fovea's benchmarks on several processors and on one.
const (
	networkOutput = `goos: linux
cpu: AMD EPYC
BenchmarkTraining/lenet5/64-2         	     183	   3327118 ns/op	        44.54 GFLOP/s	     19231 images/s	       0 allocs/op
PASS
ok  	fovea/bench	3.391s
`
	productOutput = "BenchmarkConv2D/lenet5-1/forward   100   1250000 ns/op   12.5 GFLOP/s\nBenchmarkBroken-2   is no number\nBenchmarkStarts\n"
)

func TestParseBenchmarks(t *testing.T) {
	all, err := parseBenchmarks(networkOutput + productOutput)
	require.NoError(t, err)
	assert.Equal(t, []benchmark{
		{"Training/lenet5/64", map[string]float64{"ns/op": 3327118, "GFLOP/s": 44.54, "images/s": 19231, "allocs/op": 0}},
		{"Conv2D/lenet5-1/forward", map[string]float64{"ns/op": 1250000, "GFLOP/s": 12.5}},
	}, all)
	_, err = parseBenchmarks("BenchmarkX-2 1 fast ns/op\n")
	assert.ErrorContains(t, err, "X")
}

func TestPattern(t *testing.T) {
	assert.Equal(t, `^BenchmarkConv2D$/^lenet5-1$/^forward$`, pattern("Conv2D/lenet5-1/forward"))
}

func TestFastest(t *testing.T) {
	m, err := fastest([]benchmark{{"Peak/avx2", map[string]float64{"GFLOP/s": 58}}, {"Peak/avx512", map[string]float64{"GFLOP/s": 117}}})
	require.NoError(t, err)
	assert.Equal(t, measurement{"": {"GFLOP/s": 117}}, m)
	_, err = fastest(nil)
	assert.Error(t, err)
}

func TestParseAnswer(t *testing.T) {
	for _, c := range []struct {
		line string
		want measurement
		err  string
	}{
		{`{"seconds": {"nchw": 0.5}, "failures": {"fused": "not on a CPU"}}`, measurement{"nchw": {"seconds": 0.5}}, ""},
		{`{"seconds": {}, "failures": {"fused": "not on a CPU"}}`, nil, "not on a CPU"},
		{`{"seconds": {"nchw": 0}}`, nil, "nchw"},
		{`Traceback`, nil, "Traceback"},
	} {
		m, err := parseAnswer(task{name: "Training/vgg/64"}, []byte(c.line))
		if c.err != "" {
			assert.ErrorContains(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, c.want, m)
	}
}

// layersOfFovea reads the table of fovea's benchmarks.
func layersOfFovea(t *testing.T) []layer {
	file, err := os.Open(filepath.Join("..", "layers.tsv"))
	require.NoError(t, err)
	defer file.Close()
	layers, err := readLayers(file)
	require.NoError(t, err)
	return layers
}

func TestReadLayers(t *testing.T) {
	layers := layersOfFovea(t)
	require.Len(t, layers, 13)
	last := layers[len(layers)-1]
	assert.Equal(t, layer{name: "resnet-7x7", batch: 8, size: 224, in: 3, out: 64, kernel: 7, stride: 2, padding: 3, output: 112}, last)
	assert.Equal(t, 2.0*8*112*112*64*7*7*3, last.flop())
	const head = "name\tbatch\tsize\tin\tout\tkernel\tstride\tpadding\n"
	for _, bad := range []string{"", "name\tsize\n", head + "x\t1\t2\n", head + "x\t1\t8\t1\t1\tthree\t1\t0\n", head + "x\t1\t8\t1\t1\t3\t0\t0\n", head + "x\t1\t2\t1\t1\t3\t1\t0\n"} {
		_, err := readLayers(strings.NewReader(bad))
		assert.Error(t, err, "%q", bad)
	}
}

func TestRows(t *testing.T) {
	for _, threads := range []int{1, 2} {
		names, goals := map[string]bool{}, 0
		rows := makeRows(layersOfFovea(t), threads)
		for _, r := range rows {
			assert.False(t, names[r.name], "%s comes twice", r.name)
			names[r.name] = true
			assert.NotEmpty(t, r.others, r.name)
			goals += len(r.goals)
		}
		// Six of the networks, three for each of thirteen layers, of the peak for each number of threads, two of the
		// portable build, four of processes, four of batches, and one of threads where there are two.
		assert.Equal(t, map[int]int{1: 6 + 39 + 1 + 2 + 4 + 4, 2: 6 + 39 + 2 + 2 + 4 + 4 + 1}[threads], goals)
		tasks, systems := work(rows, []string{gorgonia})
		for _, s := range tasks {
			assert.NotContains(t, systems[s], gorgonia)
			assert.NotEmpty(t, systems[s])
		}
		assert.Contains(t, systems[task{"Conv2D/vgg-2/forward", threads}], ort)
		assert.NotContains(t, systems[task{"Conv2D/vgg-2/filter-gradient", threads}], ort)
	}
}

// TestBenchmarksExist compares the names of tasks with those of fovea's benchmarks.
func TestBenchmarksExist(t *testing.T) {
	if testing.Short() {
		t.Skip("builds fovea's benchmarks: run without -short")
	}
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	p := places{root: filepath.Join("..", ".."), build: t.TempDir(), logs: t.TempDir()}
	var err error
	p.root, err = filepath.Abs(p.root)
	require.NoError(t, err)
	require.NoError(t, p.prepare(ctx, nil))
	c := newComparison(p, 1e-6, &strings.Builder{})
	rows := makeRows(layersOfFovea(t), 1)
	few := regexp.MustCompile(`lenet5|MatMul/64x|peak`) // one of each kind, the others take seconds
	for _, r := range rows {
		if few.MatchString(r.name) && r.ours.system == fovea {
			m, err := c.measure(ctx, r.ours.task, fovea, 0)
			require.NoError(t, err)
			assert.Positive(t, r.ours.figure(m[""]), r.name)
		}
	}
	m, err := c.measure(ctx, task{"Peak", 1}, peak, 0)
	require.NoError(t, err)
	assert.Positive(t, m[""][metricGFLOPs])
	_, err = c.measure(ctx, task{"Training/alexnet/64", 1}, fovea, 0)
	assert.ErrorContains(t, err, "alexnet")
}

func TestClean(t *testing.T) {
	got := clean([]string{"PATH=/bin", "OPENBLAS_CORETYPE=Haswell", "OPENBLAS_L2_SIZE=2048", "OMP_WAIT_POLICY=active", "GOGC=off", "HOME=/root"}, "OMP_NUM_THREADS=2")
	assert.Equal(t, []string{"PATH=/bin", "HOME=/root", "OMP_NUM_THREADS=2"}, got)
}

func TestParseOptions(t *testing.T) {
	o, err := parseOptions([]string{"-rounds", "3", "-only", "^MatMul", "-skip", "torch113, gorgonia"})
	require.NoError(t, err)
	assert.Equal(t, 3, o.rounds)
	assert.Equal(t, []string{torch113, gorgonia}, o.skipped)
	for _, bad := range [][]string{{"-rounds", "0"}, {"-threads", "100000"}, {"-seconds", "NaN"}, {"-only", "("}, {"-skip", "tensorflow"}, {"extra"}} {
		_, err := parseOptions(bad)
		assert.Error(t, err, bad)
	}
}
