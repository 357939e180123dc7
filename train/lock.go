package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// ErrLocked is a run's folder that another run holds, of this process or another.
var ErrLocked = errors.New("another run is at work there")

// Lock is a run's folder that is held, so that no other run writes there. It lies on the
// file LockFile in the folder, which stays; the lock itself ends with Unlock, or with
// the process, however that ends.
type Lock struct {
	dir  string
	file *flock.Flock
}

// LockFolder takes hold of a run's folder, which must be there. It fails with ErrLocked
// where another run holds it, and does not wait. Fit calls it where Config.Lock is nil;
// a program that keeps files of its own beside those of a run calls it before.
func LockFolder(dir string) (*Lock, error) {
	path := filepath.Join(dir, LockFile)
	for {
		// Some network file systems lock only what is open for writing.
		file := flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o666))
		locked, err := file.TryLock()
		if err != nil {
			return nil, fmt.Errorf("train: run folder %s cannot be locked: %w", dir, err)
		}
		if !locked {
			return nil, fmt.Errorf("train: run folder %s: %w: it holds %s", dir, ErrLocked, LockFile)
		}
		l := &Lock{dir, file}
		if l.inPlace() {
			return l, nil
		}
		if err := l.Unlock(); err != nil {
			return nil, err
		}
	}
}

// inPlace tells whether the locked file is the folder's. It is not where the holder
// before has removed the file after it was opened here: others lock the next one.
func (l *Lock) inPlace() bool {
	held, err := l.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(l.file.Path())
	return err == nil && os.SameFile(held, there)
}

// Unlock lets go of the folder. The second time it does nothing.
func (l *Lock) Unlock() error {
	if err := l.file.Unlock(); err != nil {
		return fmt.Errorf("train: run folder %s cannot be unlocked: %w", l.dir, err)
	}
	return nil
}

// check reports a lock that does not hold a folder.
func (l *Lock) check(dir string) error {
	if filepath.Clean(l.dir) != filepath.Clean(dir) {
		return fmt.Errorf("train: the lock is of the run folder %s, expected %s", l.dir, dir)
	}
	if !l.file.Locked() {
		return fmt.Errorf("train: the run folder %s is no longer locked", dir)
	}
	return nil
}
