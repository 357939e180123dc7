package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shell makes a competitor of a shell script.
func shell(t *testing.T, script string) command {
	return command{args: []string{"sh", "-c", script, "sh"}, folder: t.TempDir(), environ: []string{"PATH=/usr/bin:/bin"}, log: filepath.Join(t.TempDir(), "log.txt")}
}

func TestWorkerAnswersAgainAndAgain(t *testing.T) {
	w := &worker{command: shell(t, `n=0; while read -r line; do n=$((n + 1)); echo "{\"seconds\": {\"a\": $n}}"; done`), seconds: 1}
	t.Cleanup(w.close)
	for i := range 3 {
		m, err := w.measure(t.Context(), task{"Training/vgg/64", 2}, nil)
		require.NoError(t, err)
		assert.Equal(t, measurement{"a": {metricSeconds: float64(i + 1)}}, m)
	}
}

func TestWorkerThatEndsIsAnError(t *testing.T) {
	w := &worker{command: shell(t, "read -r line; echo no memory >&2; exit 3"), seconds: 1}
	t.Cleanup(w.close)
	_, err := w.measure(t.Context(), task{"Training/vgg/64", 2}, nil)
	assert.ErrorContains(t, err, "no memory")
}

// TestInterruptEndsAWorkerAndItsChildren holds even while it is stopped.
func TestInterruptEndsAWorkerAndItsChildren(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	w := &worker{command: shell(t, `sleep 600 & while read -r line; do echo '{"seconds": {"a": 1}}'; done`), seconds: 1}
	_, err := w.measure(ctx, task{"Training/vgg/64", 2}, nil)
	require.NoError(t, err)
	begin := time.Now()
	interrupt()
	w.close()
	assert.Less(t, time.Since(begin), time.Minute)
	assert.NotNil(t, w.cmd.ProcessState)
}

func TestOnce(t *testing.T) {
	x := task{"Process/lenet5/64", 2}
	m, err := shell(t, `[ "$*" = "Training/lenet5/64 fast 10" ] && echo first && echo 40960`).once(t.Context(), x, "fast", 1)
	require.NoError(t, err)
	assert.Equal(t, 39.0, m["fast"][metricPeak])
	assert.Positive(t, m["fast"][metricFirst])
	for _, script := range []string{"exit 1", "echo first", "echo first; echo much", "echo first; echo 1; exit 1"} {
		_, err := shell(t, script).once(t.Context(), x, "fast", 1)
		assert.Error(t, err, script)
	}
}
