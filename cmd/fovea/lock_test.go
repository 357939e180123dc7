package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/train"
)

// TestRunThatIsAtWorkCannotBeResumed tries it while a run trains, and after that was
// killed.
func TestRunThatIsAtWorkCannotBeResumed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := command(t, dir, long("--backend", "reference", "--batch", "64", "--epochs", "1000")...)
	require.NoError(t, at.Start())
	state := filepath.Join(dir, "run", train.StateFile)
	require.Eventually(t, func() bool { return exists(state) }, time.Minute, 10*time.Millisecond)
	settings, err := os.ReadFile(filepath.Join(dir, "run", settingsFile))
	require.NoError(t, err)

	for _, args := range []string{"--resume run", "--resume run --epochs 1", "--resume --out ./run"} {
		o := fovea(t, dir, append([]string{"train", "--json"}, strings.Fields(args)...)...)
		assert.Equal(t, exitFailed, o.code, args)
		assert.Regexp(t, `run folder (\./)?run: another run is at work there`, o.stderr, args)
		assert.Equal(t, "error", o.last(t)["event"], args)
	}
	now, err := os.ReadFile(filepath.Join(dir, "run", settingsFile))
	require.NoError(t, err)
	assert.Equal(t, string(settings), string(now), "who is refused changes nothing")

	require.NoError(t, at.Process.Kill())
	require.Error(t, at.Wait())
	good(t, dir, "train", "--resume", "run", "--epochs", "1", "--json", "--backend", "cpu")
}

// TestOneOfManyRunsGetsTheFolder begins several at once; the others find it at work, or
// done.
func TestOneOfManyRunsGetsTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outcomes := make([]outcome, 6)
	var all sync.WaitGroup
	for i := range outcomes {
		cmd := command(t, dir, small("--out", "run", "--seed", string(rune('1'+i)))...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		require.NoError(t, cmd.Start())
		all.Go(func() { outcomes[i] = finished(t, cmd.Wait(), &stdout, &stderr) })
	}
	all.Wait()
	winners := 0
	for i, o := range outcomes {
		if o.code == exitGood {
			winners++
			settings, err := readSettings(filepath.Join(dir, "run"))
			require.NoError(t, err)
			assert.EqualValues(t, i+1, settings.Train.Seed, "the settings are of who has trained")
			continue
		}
		assert.Equal(t, exitFailed, o.code, o.stderr)
		assert.Regexp(t, "run folder run: (another run is at work there|it holds a run already|it is not empty)", o.stderr)
	}
	assert.Equal(t, 1, winners)
}

// TestLockAloneIsNoRun begins where a process was killed before it had begun.
func TestLockAloneIsNoRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock := filepath.Join(dir, "run", train.LockFile)
	require.NoError(t, os.Mkdir(filepath.Dir(lock), 0o777))
	require.NoError(t, os.WriteFile(lock, nil, 0o666))
	o := good(t, dir, small("--out", "run")...)
	assert.Equal(t, 1, strings.Count(o.stdout, `"event":"result"`))
}
