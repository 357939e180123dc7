package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFullDiskLeavesTheLastGoodState runs on a file system of its own that has room
// for the files of a run, but not for all the temporary ones.
func TestFullDiskLeavesTheLastGoodState(t *testing.T) {
	t.Parallel()
	if err := exec.Command("unshare", "--user", "--map-root-user", "--mount", "true").Run(); err != nil {
		t.Skip("cannot mount a small file system here: ", err)
	}
	whole := t.TempDir()
	good(t, whole, small("--out", "run")...)
	expected := model(t, whole, "run")

	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "disk"), 0o777))
	// The state has three times the model's size: 0.4 + 1.3 MB, and as much again
	// while it is replaced.
	const script = `mount -t tmpfs -o size=2500k none disk || exit 77
"$0" train --model mlp --epochs 3 --out disk/run >out 2>err
code=$?
cp -r disk/run saved
exit $code`
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, binary)
	cmd.Dir = dir
	require.Error(t, cmd.Run())
	if cmd.ProcessState.ExitCode() == 77 {
		t.Skip("cannot mount a small file system here")
	}
	says, err := os.ReadFile(filepath.Join(dir, "err"))
	require.NoError(t, err)
	assert.Equal(t, exitFailed, cmd.ProcessState.ExitCode(), "%s", says)
	assert.Contains(t, string(says), "no space left on device")
	left, err := filepath.Glob(filepath.Join(dir, "saved", ".*"))
	require.NoError(t, err)
	assert.Empty(t, left, "temporary files")

	good(t, dir, "train", "--resume", "saved", "--json")
	requireSameModel(t, expected, model(t, dir, "saved"))
}

// TestInterruptOnAFullDiskSaysThatNothingWasSaved fills the disk between two saves.
func TestInterruptOnAFullDiskSaysThatNothingWasSaved(t *testing.T) {
	t.Parallel()
	if err := exec.Command("unshare", "--user", "--map-root-user", "--mount", "true").Run(); err != nil {
		t.Skip("cannot mount a small file system here: ", err)
	}
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "disk"), 0o777))
	// A step of the reference backend takes a while, an epoch far longer than the test.
	const script = `mount -t tmpfs -o size=8m none disk || exit 77
"$0" train --backend reference --batch 32 --out disk/run >out 2>err &
until [ -e disk/run/state.safetensors ]; do sleep 0.02; done
head -c 8m /dev/zero >disk/filler 2>/dev/null
kill -INT $!
wait $!`
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--mount", "bash", "-mc", script, binary) // -m: background jobs take SIGINT
	cmd.Dir = dir
	require.Error(t, cmd.Run())
	if cmd.ProcessState.ExitCode() == 77 {
		t.Skip("cannot mount a small file system here")
	}
	says, err := os.ReadFile(filepath.Join(dir, "err"))
	require.NoError(t, err)
	assert.Equal(t, exitFailed, cmd.ProcessState.ExitCode(), "%s", says)
	assert.Contains(t, string(says), "could not be saved")
	assert.Contains(t, string(says), "no space left on device")
	assert.NotContains(t, string(says), "the run is saved")
}
