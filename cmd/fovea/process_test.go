package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// binary is the command as it is shipped, without GPUs; the tests run it as a process.
var binary string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fovea")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "fovea")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	// Who runs the tests may ignore hangups, as nohup does, and processes inherit that: but not where they are caught.
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	return m.Run()
}

// outcome is what a process left.
type outcome struct {
	code           int // -1: killed by a signal
	stdout, stderr string
}

// fovea runs the command in a folder.
func fovea(t *testing.T, dir string, args ...string) outcome {
	t.Helper()
	cmd := command(t, dir, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	return finished(t, cmd.Run(), &stdout, &stderr)
}

func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir = dir
	return cmd
}

func finished(t *testing.T, err error, stdout, stderr fmt.Stringer) outcome {
	t.Helper()
	o := outcome{0, stdout.String(), stderr.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		o.code = exit.ExitCode()
	} else {
		require.NoError(t, err)
	}
	require.NotContains(t, o.stderr, "panic", "no input may make it panic")
	require.NotContains(t, o.stderr, "goroutine ", "no input may make it panic")
	return o
}

// good runs the command and requires that it succeeds.
func good(t *testing.T, dir string, args ...string) outcome {
	t.Helper()
	o := fovea(t, dir, args...)
	require.Equal(t, 0, o.code, "fovea %s\n%s%s", strings.Join(args, " "), o.stdout, o.stderr)
	return o
}

// events decodes the lines of --json; each must be an object with an event.
func (o outcome) events(t *testing.T) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(o.stdout) {
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &e), "line %q", line)
		require.IsType(t, "", e["event"], "line %q", line)
		all = append(all, e)
	}
	require.NotEmpty(t, all, "no events; standard error: %s", o.stderr)
	return all
}

// last returns the last event.
func (o outcome) last(t *testing.T) map[string]any {
	t.Helper()
	all := o.events(t)
	return all[len(all)-1]
}

// small is a run of a second: a perceptron on the digits.
func small(more ...string) []string {
	return append([]string{"train", "--model", "mlp", "--epochs", "3", "--json"}, more...)
}

// trained makes a small run in a new folder and returns the folder.
func trained(t *testing.T, more ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	good(t, dir, small(append([]string{"--out", "run"}, more...)...)...)
	return dir
}

// model reads the model file of a run.
func model(t *testing.T, elements ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append(elements, "model.safetensors")...))
	require.NoError(t, err)
	return b
}

// requireSameModel compares files without printing them.
func requireSameModel(t *testing.T, expected, got []byte) {
	t.Helper()
	require.True(t, bytes.Equal(expected, got), "the model files differ")
}
