// Package atomicfile writes files that are either complete or untouched.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// Write replaces the file at path by what write produces. The content goes to a temporary file in the same folder, which is
// flushed to the disk and then renamed, so a reader, a crash or a full disk meets either the old file or the new one, whole.
// On any error, a panic in write included, the old file stays as it was and the temporary one is removed.
//
// The writer is buffered. A new file gets mode 0666 before the umask, an existing one keeps its mode; where path is a
// symbolic link, the file it points at is replaced and the link stays. Errors wrap what failed and name path.
func Write(path string, write func(io.Writer) error) (err error) {
	target, mode, err := resolve(path)
	if err != nil {
		return fmt.Errorf("atomicfile: %w", err)
	}
	f, err := createBeside(target)
	if err != nil {
		return fmt.Errorf("atomicfile: write %s: %w", path, err)
	}
	done := false
	defer func() {
		if !done {
			_ = f.Close() // closed twice on the paths that fail after Close, which is harmless
			_ = os.Remove(f.Name())
		}
	}()

	buffered := bufio.NewWriterSize(f, 64<<10)
	if err := write(buffered); err != nil {
		return fmt.Errorf("atomicfile: write %s: %w", path, err)
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("atomicfile: write %s: %w", path, err)
	}
	if mode != 0 {
		if err := f.Chmod(mode); err != nil {
			return fmt.Errorf("atomicfile: write %s: %w", path, err)
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("atomicfile: write %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("atomicfile: write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), target); err != nil {
		return fmt.Errorf("atomicfile: write %s: %w", path, err)
	}
	done = true
	syncFolder(filepath.Dir(target))
	return nil
}

// resolve follows symbolic links and returns the file to replace with its permissions, 0 where there is no such file yet.
func resolve(path string) (target string, mode fs.FileMode, err error) {
	target, err = filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	info, err := os.Stat(target)
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() {
		return "", 0, fmt.Errorf("write %s: not a regular file but %v", path, info.Mode().Type())
	}
	return target, info.Mode().Perm(), nil
}

// createBeside makes a new temporary file in target's folder, because a rename is atomic only within one file system.
// os.CreateTemp would fix its mode at 0600; here the umask decides, as for any file that a program makes.
func createBeside(target string) (*os.File, error) {
	folder, base := filepath.Split(target)
	for attempt := 0; ; attempt++ {
		name := filepath.Join(folder, "."+base+"."+strconv.FormatUint(rand.Uint64(), 36)+".tmp")
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || !errors.Is(err, fs.ErrExist) || attempt == 100 {
			return f, err
		}
	}
}

// syncFolder makes the rename itself durable. It is best effort: some systems cannot open or flush a folder, and the file is
// already in place.
func syncFolder(folder string) {
	d, err := os.Open(folder)
	if err != nil {
		return
	}
	_ = d.Sync()
	_ = d.Close()
}
