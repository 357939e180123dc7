package main

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestProfileTellsOfEveryOp profiles a network of the zoo and the same from a file, on
// two backends.
func TestProfileTellsOfEveryOp(t *testing.T) {
	t.Parallel()
	dir := trained(t)
	for _, c := range []struct {
		args     string
		first    string
		contains []string
	}{
		{"mlp", "dense1", []string{"MatMul", "Softmax"}},
		{"mlp --training --threads 2", "dense1", []string{"MatMul", "LossGrad", "OptimizerStep"}},
		{"run --batch 1", "dense1", []string{"MatMul", "Softmax"}},
		{"run/model.safetensors --training", "dense1", []string{"MatMul", "OptimizerStep"}},
		{"mlp --backend reference --batch 3", "dense1", []string{"MatMul", "Softmax"}},
		{"lenet5 --batch 2", "conv1", []string{"Conv2D", "MaxPool2D"}},
	} {
		args := append([]string{"profile", "--runs", "2"}, strings.Fields(c.args)...)
		lines := good(t, dir, args...).stdout
		for line := range strings.Lines(lines) {
			assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 120, line)
		}
		assert.Contains(t, lines, "images/s")

		events := good(t, dir, append(args, "--json")...).events(t)
		assert.Equal(t, "profile", events[0]["event"])
		peak, known := events[0]["peak_flops"].(float64)
		assert.True(t, known)
		assert.Equal(t, !strings.Contains(c.args, "reference"), peak > 0)
		ops := map[any]bool{}
		share, sum := 0.0, 0.0
		for _, e := range events[1 : len(events)-2] {
			require.Equal(t, "op", e["event"])
			ops[e["op"]] = true
			share += e["share"].(float64)
			sum += e["executed_flop"].(float64)
			assert.Contains(t, lines, e["layer"])
			assert.Contains(t, lines, e["op"])
		}
		assert.Equal(t, c.first, events[1]["layer"])
		for _, op := range c.contains {
			assert.True(t, ops[op], "%s in %v", op, ops)
		}
		assert.InDelta(t, 1, share, 1e-9)
		total := events[len(events)-2]
		assert.Equal(t, "total", total["event"])
		assert.InDelta(t, sum, total["executed_flop"], 0)
		assert.Positive(t, events[len(events)-1]["images_per_second"])
	}
}

func TestProfileRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/alien.safetensors", []byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"), 0o666))
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"profile", exitMisuse, "accepts 1 arg"},
		{"profile mlp vgg", exitMisuse, "accepts 1 arg"},
		{"profile mlp --batch 0", exitMisuse, "--batch is 0"},
		{"profile mlp --runs 0", exitMisuse, "--runs is 0, expected 1 to 10000"},
		{"profile mlp --runs 1000000000000000000", exitMisuse, "--runs is 1000000000000000000"},
		{"profile mlp --threads -1", exitMisuse, "--threads is -1"},
		{"profile mlp --backend abacus", exitMisuse, "unknown backend"},
		{"profile resnet9000", exitFailed, "lenet5, lenet5-tanh, mlp, vgg"},
		{"profile alien.safetensors", exitFailed, "no model of fovea"},
		{"profile mlp --batch 2000000000", exitFailed, "2147483647 elements"},
	} {
		o := fovea(t, dir, strings.Fields(c.args)...)
		assert.Equal(t, c.code, o.code, "fovea %s\n%s%s", c.args, o.stdout, o.stderr)
		assert.Contains(t, o.stderr, c.says, "fovea %s", c.args)
		assert.LessOrEqual(t, strings.Count(o.stderr, "\n"), 2, "fovea %s: no usage dump\n%s", c.args, o.stderr)
	}
}

// TestInterruptEndsAProfile has it measure for minutes.
func TestInterruptEndsAProfile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signal that a process can send to another")
	}
	cmd := command(t, t.TempDir(), "profile", "vgg", "--training", "--runs", "10000", "--json")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	time.Sleep(300 * time.Millisecond)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	o := finished(t, cmd.Wait(), &stdout, &stderr)
	assert.Equal(t, exitFailed, o.code)
	assert.Contains(t, o.stderr, "interrupted")
	assert.Equal(t, "error", o.last(t)["event"])
}
