package train

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/nn"
)

func TestLockFolder(t *testing.T) {
	dir := t.TempDir()
	lock, err := LockFolder(dir)
	require.NoError(t, err)
	_, err = LockFolder(filepath.Join(dir, ".", "x", "..")) // the folder by another name
	require.ErrorIs(t, err, ErrLocked)
	assert.ErrorContains(t, err, dir)
	assert.ErrorContains(t, err, LockFile)

	require.NoError(t, lock.Unlock())
	require.NoError(t, lock.Unlock())
	again, err := LockFolder(dir)
	require.NoError(t, err, "the file that is left locks nothing")
	require.NoError(t, again.Unlock())

	_, err = LockFolder(filepath.Join(dir, "nowhere"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, filepath.Join(dir, "nowhere"))
}

// TestOneHoldsTheFolderAtATime has many come and go, and take the file with them, as
// who clears a folder away does.
func TestOneHoldsTheFolderAtATime(t *testing.T) {
	dir := t.TempDir()
	var holders, turns atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 400 {
				lock, err := LockFolder(dir)
				if err != nil {
					assert.ErrorIs(t, err, ErrLocked)
					continue
				}
				turns.Add(1)
				assert.EqualValues(t, 1, holders.Add(1))
				holders.Add(-1)
				_ = os.Remove(filepath.Join(dir, LockFile)) // Windows refuses
				assert.NoError(t, lock.Unlock())
			}
		})
	}
	all.Wait()
	assert.Positive(t, turns.Load())
}

// TestFitKeepsOthersOut begins a second run in the midst of the first.
func TestFitKeepsOthersOut(t *testing.T) {
	dir := t.TempDir()
	first := shortRun(nn.SGD(0.1))
	undisturbed, err := first.in(t, t.Context(), t.TempDir(), false)
	require.NoError(t, err)

	tried := 0
	first.config.OnEpoch = func(r EpochRecord) {
		if r.Epoch == 3 {
			return
		}
		second := shortRun(nn.SGD(0.5))
		_, err := second.in(t, t.Context(), dir, r.Epoch == 1)
		assert.ErrorIs(t, err, ErrLocked)
		assert.ErrorContains(t, err, dir)
		tried++
	}
	got, err := first.in(t, t.Context(), dir, false)
	require.NoError(t, err)
	assert.Equal(t, 2, tried, "resuming and anew")
	assert.Equal(t, undisturbed, got)

	// Whatever ends a run lets go of its folder.
	_, err = shortRun(nn.SGD(0.5)).in(t, t.Context(), dir, true)
	require.ErrorContains(t, err, "the state is of a run with")
	_, err = shortRun(nn.SGD(1e30)).in(t, t.Context(), dir, false)
	require.ErrorIs(t, err, ErrDiverged)
	_, err = shortRun(nn.SGD(0.1)).in(t, cancelledAt(t, 5), dir, false)
	require.Error(t, err)
	_, err = shortRun(nn.SGD(0.1)).in(t, t.Context(), dir, true)
	require.NoError(t, err)
}

func TestFitUnderTheLockOfItsCaller(t *testing.T) {
	dir := t.TempDir()
	lock, err := LockFolder(dir)
	require.NoError(t, err)
	r := shortRun(nn.SGD(0.1))
	_, err = r.in(t, t.Context(), dir, false)
	require.ErrorIs(t, err, ErrLocked, "it is not Fit's")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "what is refused writes nothing")

	r.config.Lock = lock
	_, err = r.in(t, t.Context(), dir, false)
	require.NoError(t, err)
	_, err = LockFolder(dir)
	require.ErrorIs(t, err, ErrLocked, "Fit leaves it as it was")

	_, err = r.in(t, t.Context(), t.TempDir(), false)
	require.ErrorContains(t, err, "the lock is of the run folder "+dir)
	require.NoError(t, lock.Unlock())
	_, err = r.in(t, t.Context(), dir, true)
	require.ErrorContains(t, err, "no longer locked")
	assert.False(t, errors.Is(err, ErrLocked))
}
