package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// long is a run of some seconds, which leaves time to disturb it.
func long(more ...string) []string {
	return append([]string{"train", "--model", "lenet5", "--epochs", "6", "--batch", "8", "--json", "--out", "run"}, more...)
}

// disturb begins a long run, and once it has printed so many epochs and a delay has
// passed sends signals.
func disturb(t *testing.T, dir string, epochs int, delay time.Duration, signals ...os.Signal) outcome {
	t.Helper()
	return disturbed(t, command(t, dir, long()...), epochs, delay, signals...)
}

func disturbed(t *testing.T, cmd *exec.Cmd, epochs int, delay time.Duration, signals ...os.Signal) outcome {
	t.Helper()
	seen := &lineCounter{reached: make(chan struct{}), want: 1 + epochs}
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = seen, &stderr
	require.NoError(t, cmd.Start())
	select {
	case <-seen.reached:
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		t.Fatal("the run does not come forward")
	}
	time.Sleep(delay)
	for _, s := range signals {
		require.NoError(t, cmd.Process.Signal(s))
	}
	return finished(t, cmd.Wait(), &seen.text, &stderr)
}

// lineCounter tells when so many lines have been written.
type lineCounter struct {
	text    bytes.Buffer
	want    int
	reached chan struct{}
	done    bool
}

func (l *lineCounter) Write(p []byte) (int, error) {
	n, err := l.text.Write(p)
	if !l.done && bytes.Count(l.text.Bytes(), []byte("\n")) >= l.want {
		l.done = true
		close(l.reached)
	}
	return n, err
}

func TestInterruptedRunGoesOnToTheSameBits(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signal that a process can send to another")
	}
	whole := t.TempDir()
	good(t, whole, long()...)
	expected := model(t, whole, "run")

	var dir string
	for _, c := range []struct {
		name    string
		signals []os.Signal
	}{
		{"Ctrl-C", []os.Signal{os.Interrupt}},
		{"SIGTERM", []os.Signal{syscall.SIGTERM}},
		{"SIGHUP", []os.Signal{syscall.SIGHUP}},
	} {
		dir = t.TempDir()
		o := disturb(t, dir, 2, 150*time.Millisecond, c.signals...)
		require.Equal(t, exitFailed, o.code, c.name)
		assert.Contains(t, o.stderr, "interrupted in epoch", c.name)
		assert.Contains(t, o.stderr, "fovea train --resume run", c.name)
		assert.Equal(t, "error", o.last(t)["event"], c.name)

		o = good(t, dir, "train", "--resume", "run", "--json")
		assert.Equal(t, true, o.events(t)[0]["resumed"], c.name)
		assert.Less(t, strings.Count(o.stdout, `"event":"epoch"`), 5, "%s: it goes on, with what was done since the last epoch too", c.name)
		requireSameModel(t, expected, model(t, dir, "run"))
	}

	// A finished run has nothing to go on with: it is tested again.
	o := good(t, dir, "train", "--resume", "--out", "run", "--json")
	assert.Len(t, o.events(t), 2)
	requireSameModel(t, expected, model(t, dir, "run"))
}

// TestSecondHangupIsNoKill has them come during one step: a terminal that is closed sends
// one, its shell another.
func TestSecondHangupIsNoKill(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signal that a process can send to another")
	}
	dir := t.TempDir()
	cmd := command(t, dir, long("--backend", "reference", "--batch", "512")...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	state := filepath.Join(dir, "run", "state.safetensors")
	require.Eventually(t, func() bool { return exists(state) }, time.Minute, 10*time.Millisecond)
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGHUP, syscall.SIGHUP} {
		time.Sleep(100 * time.Millisecond)
		if err := cmd.Process.Signal(s); err != nil {
			require.ErrorIs(t, err, os.ErrProcessDone)
		}
	}
	o := finished(t, cmd.Wait(), &stdout, &stderr)
	assert.Equal(t, exitFailed, o.code)
	assert.Contains(t, o.stderr, "the run is saved")
}

func TestRunOutlivesTheTerminalUnderNohup(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signal that a process can send to another")
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", `trap "" HUP; exec "$0" "$@"`, binary}, long()...)...) // what nohup does
	cmd.Dir = dir
	o := disturbed(t, cmd, 1, 0, syscall.SIGHUP)
	assert.Equal(t, exitGood, o.code, o.stderr)
	assert.Equal(t, "result", o.last(t)["event"])
}

func TestKilledRunGoesOnToTheSameBits(t *testing.T) {
	t.Parallel()
	whole := t.TempDir()
	good(t, whole, long()...)
	expected := model(t, whole, "run")
	for _, when := range []struct {
		epochs int
		delay  time.Duration
	}{{0, 0}, {0, 30 * time.Millisecond}, {1, 0}, {2, 77 * time.Millisecond}} {
		dir := t.TempDir()
		o := disturb(t, dir, when.epochs, when.delay, os.Kill)
		require.Equal(t, -1, o.code, "the process was to be killed")
		good(t, dir, "train", "--resume", "run", "--json")
		requireSameModel(t, expected, model(t, dir, "run"))
		for _, pattern := range []string{"*.part", "*.json.*"} {
			left, err := filepath.Glob(filepath.Join(dir, "run", pattern))
			require.NoError(t, err)
			assert.Empty(t, left)
		}
	}
}

// TestSecondInterruptKills interrupts a step that takes minutes.
// fovea train | head -1 loses nothing: the run ends when it has nobody left to tell.
func TestReaderThatLeavesEndsTheRunInOrder(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signal for a pipe without a reader")
	}
	dir := t.TempDir()
	cmd := command(t, dir, long()...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	_, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, stdout.Close())
	o := finished(t, cmd.Wait(), new(bytes.Buffer), &stderr)
	assert.NotEqual(t, exitGood, o.code)
	assert.Contains(t, o.stderr, "the run is saved, go on with it by: fovea train --resume run")
	assert.Contains(t, o.stderr, "standard output")

	o = good(t, dir, "train", "--resume", "run", "--json")
	assert.Less(t, strings.Count(o.stdout, `"event":"epoch"`), 6, "it goes on, it does not begin anew")
}

func TestSecondInterruptKills(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signal that a process can send to another")
	}
	code := 0
	// On a busy machine the first signal may come before the step, and end the run in order.
	for wait := 200 * time.Millisecond; code != -1 && wait < 10*time.Second; wait *= 3 {
		dir := t.TempDir()
		cmd := command(t, dir, long("--model", "vgg", "--backend", "reference", "--batch", "1024")...)
		require.NoError(t, cmd.Start())
		state := filepath.Join(dir, "run", "state.safetensors")
		require.Eventually(t, func() bool { return exists(state) }, time.Minute, 10*time.Millisecond)
		time.Sleep(wait)
		_ = cmd.Process.Signal(os.Interrupt)
		time.Sleep(wait)
		_ = cmd.Process.Signal(os.Interrupt)
		require.Error(t, cmd.Wait())
		code = cmd.ProcessState.ExitCode()
	}
	assert.Equal(t, -1, code, "a signal was to kill it")
}

func TestRunKilledBeforeItSavedAnythingBeginsAnew(t *testing.T) {
	t.Parallel()
	dir := trained(t)
	expected := model(t, dir, "run")
	for _, name := range []string{"state.safetensors", "model.safetensors", "history.csv", "history.jsonl"} {
		require.NoError(t, os.Remove(filepath.Join(dir, "run", name)))
	}
	o := good(t, dir, "train", "--resume", "run", "--json")
	assert.Contains(t, o.stderr, "nothing was saved yet")
	requireSameModel(t, expected, model(t, dir, "run"))
}

func TestResumeTakesMoreEpochs(t *testing.T) {
	t.Parallel()
	dir := trained(t)
	events := good(t, dir, "train", "--resume", "run", "--epochs", "5", "--threads", "1", "--json").events(t)
	assert.Len(t, events, 1+2+1)
	assert.EqualValues(t, 4, events[1]["epoch"])
}

func TestResumeRefusesWhatDoesNotBelongToTheRun(t *testing.T) {
	t.Parallel()
	dir := trained(t)
	for _, c := range []struct {
		name string
		code int
		args []string
		says string
	}{
		{"another rate", exitMisuse, []string{"--resume", "run", "--lr", "0.5"}, "--lr cannot change"},
		{"another model", exitMisuse, []string{"--resume", "run", "--model", "lenet5"}, "--model cannot change"},
		{"no folder", exitMisuse, []string{"--resume"}, "needs the folder"},
		{"two folders", exitMisuse, []string{"--resume", "run", "--out", "other"}, "two folders"},
		{"no run", exitFailed, []string{"--resume", "nowhere"}, "settings.json"},
	} {
		o := fovea(t, dir, append([]string{"train"}, c.args...)...)
		assert.Equal(t, c.code, o.code, c.name)
		assert.Contains(t, o.stderr, c.says, c.name)
	}

	path := filepath.Join(dir, "run", settingsFile)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, c := range []struct{ name, text, says string }{
		{"truncated", string(text[:len(text)/2]), "unexpected EOF"},
		{"unknown key", strings.Replace(string(text), `"model"`, `"modell"`, 1), "modell"},
		{"another model", strings.Replace(string(text), `"mlp"`, `"lenet5"`, 1), "another model"},
		{"unknown model", strings.Replace(string(text), `"mlp"`, `"resnet9000"`, 1), "resnet9000"},
		{"unknown data", strings.Replace(string(text), `"digits"`, `"cifar"`, 1), "cifar"},
		{"data without a folder", strings.Replace(string(text), `"digits"`, `"mnist:"`, 1), "mnist[:DIR]"},
		{"another batch", strings.Replace(string(text), `"batch": 64`, `"batch": 32`, 1), "batch"},
		{"negative batch", strings.Replace(string(text), `"batch": 64`, `"batch": -1`, 1), "batch"},
	} {
		require.NoError(t, os.WriteFile(path, []byte(c.text), 0o666))
		o := fovea(t, dir, "train", "--resume", "run")
		assert.Equal(t, exitFailed, o.code, c.name)
		assert.Contains(t, o.stderr, c.says, c.name)
	}
}
