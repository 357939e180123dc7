package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// resultKeys are what other programs rely on in the last line.
var resultKeys = []string{"accuracy", "loss", "images_per_second", "seconds", "peak_memory_bytes", "model", "backend", "seed"}

func TestTrainPrintsEventsAndLeavesARun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	events := good(t, dir, small("--backend", "cpu", "--seed", "5")...).events(t)

	require.Len(t, events, 1+3+1)
	start := events[0]
	assert.Equal(t, "start", start["event"])
	run := filepath.Join("runs", "digits-mlp-1")
	assert.Equal(t, run, start["run"])
	assert.EqualValues(t, 1797, start["training_examples"].(float64)+start["validation_examples"].(float64)+start["test_examples"].(float64))
	for i, e := range events[1:4] {
		assert.Equal(t, "epoch", e["event"])
		assert.EqualValues(t, i+1, e["epoch"])
		for _, key := range []string{"train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "images_per_second", "remaining_seconds"} {
			assert.Contains(t, e, key)
		}
	}
	result := events[4]
	assert.Equal(t, "result", result["event"])
	for _, key := range resultKeys {
		assert.Contains(t, result, key)
	}
	assert.NotContains(t, result, "rmse", "that is for regressions")
	assert.Greater(t, result["accuracy"], 0.8, "a perceptron does better on digits, even in 3 epochs")
	assert.Equal(t, filepath.Join(run, "model.safetensors"), result["model"])
	assert.Equal(t, "cpu", result["backend"])
	assert.EqualValues(t, 5, result["seed"])
	// A Go program with a network of 0.4 MB: more than 1 MiB, far less than 200.
	assert.Greater(t, result["peak_memory_bytes"], float64(1<<20))
	assert.Less(t, result["peak_memory_bytes"], float64(200<<20))

	var s settings
	text, err := os.ReadFile(filepath.Join(dir, run, "settings.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &s))
	assert.Equal(t, origin{Specification: "digits", SplitSeed: 5, TrainingSeed: 5}, s.Data)
	assert.Equal(t, "mlp", s.Model)
	assert.Equal(t, "cpu", s.Backend)
	assert.Equal(t, 3, s.Train.Epochs)

	history, err := os.Open(filepath.Join(dir, run, "history.csv"))
	require.NoError(t, err)
	defer history.Close()
	rows, err := csv.NewReader(history).ReadAll()
	require.NoError(t, err)
	assert.Len(t, rows, 1+3)
	lines, err := os.ReadFile(filepath.Join(dir, run, "history.jsonl"))
	require.NoError(t, err)
	assert.Equal(t, 3, strings.Count(string(lines), "\n"))
}

func TestTrainNumbersItsRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "runs", "digits-mlp-7"), 0o777))
	assert.Equal(t, filepath.Join("runs", "digits-mlp-8"), good(t, dir, small()...).events(t)[0]["run"])
	assert.Equal(t, filepath.Join("runs", "digits-mlp-9"), good(t, dir, small()...).events(t)[0]["run"])
}

func TestSameSeedSameBits(t *testing.T) {
	t.Parallel()
	first := model(t, trained(t, "--seed", "3", "--threads", "1"), "run")
	requireSameModel(t, first, model(t, trained(t, "--seed", "3", "--threads", "1"), "run"))
	requireSameModel(t, first, model(t, trained(t, "--seed", "3", "--threads", "3"), "run"))
	assert.NotEqual(t, first, model(t, trained(t, "--seed", "4"), "run"), "another seed makes another network")
}

func TestTrainWritesForPeopleWithoutJSON(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := good(t, dir, "train", "--model", "mlp", "--epochs", "2")
	assert.Empty(t, o.stderr, "no bar where there is no terminal")
	for _, part := range []string{"1,258 training", "109,386 parameters", "epoch 1/2", "epoch 2/2", "images/s", "left", "test ", "accuracy", "peak memory", "model.safetensors"} {
		assert.Contains(t, o.stdout, part)
	}
}

func TestPatienceEndsARun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	events := good(t, dir, "train", "--model", "mlp", "--epochs", "40", "--patience", "1", "--lr", "0.02", "--json").events(t)
	assert.Less(t, len(events), 1+40+1, "a perceptron at this rate has worse epochs")
	assert.Equal(t, "result", events[len(events)-1]["event"])
}

func TestEveryOptimizerModelAndLossTrains(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, o := range optimizers {
		e := good(t, dir, small("--optimizer", o.name)...).last(t)
		assert.Greater(t, e["accuracy"], 0.5, o.name) // by chance 0.1
	}
	for _, args := range [][]string{
		{"--model", "lenet5-tanh"},
		{"--loss", "mean-squared-error"}, {"--loss", "hinge"}, {"--loss", "kl-divergence"}, {"--loss", "negative-log-likelihood"},
		{"--schedule", "constant"}, {"--weight-decay", "0.01"}, {"--split-seed", "2"},
	} {
		e := good(t, dir, small(args...)...).last(t)
		assert.Greater(t, e["accuracy"], 0.5, "%v", args)
	}
}

// TestPeakMemory holds the limits that are promised for a batch of 64, on systems that
// tell a process's memory. Each thread has a workspace, so their number is fixed.
func TestPeakMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	for name, limit := range map[string]float64{"lenet5": 60 << 20, "vgg": 200 << 20} {
		result := good(t, t.TempDir(), "train", "--model", name, "--epochs", "1", "--threads", "2", "--json").last(t)
		assert.Less(t, result["peak_memory_bytes"], limit, name)
	}
}

func TestPassedOver(t *testing.T) {
	for cause, want := range map[string]string{
		"no driver":                    "auto passes over cuda: no driver",
		"no driver: a; nor is there b": "auto passes over cuda: no driver: a (fovea devices tells more)",
		"rejected:\nline 3: bad":       "auto passes over cuda: rejected: (fovea devices tells more)",
	} {
		assert.Equal(t, want, passedOver("cuda", errors.New(cause)))
	}
}
