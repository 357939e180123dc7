package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fovea/train"
)

// newRunFolder makes and locks the folder of a new run: dir, which must not hold
// anything, or if it is empty the first free runs/NAME-N.
func newRunFolder(dir, name string) (string, *train.Lock, error) {
	var err error
	if dir == "" {
		dir, err = numberedFolder(name)
	} else if err = os.MkdirAll(dir, 0o777); err != nil {
		err = fmt.Errorf("run folder: %w", err)
	} else {
		err = checkEmpty(dir) // what holds anything else is no place for a lock either
	}
	if err != nil {
		return "", nil, err
	}
	lock, err := train.LockFolder(dir)
	if err != nil {
		return "", nil, err
	}
	if err := checkEmpty(dir); err != nil { // another process was there in between
		return "", nil, errors.Join(err, lock.Unlock())
	}
	return dir, lock, nil
}

// lockRun locks the folder of a run to go on with.
func lockRun(dir string) (*train.Lock, error) {
	if _, err := os.Stat(filepath.Join(dir, settingsFile)); err != nil {
		return nil, fmt.Errorf("no run to go on with: %w", err)
	}
	return train.LockFolder(dir)
}

// numberedFolder makes the first free runs/NAME-N.
func numberedFolder(name string) (string, error) {
	const parent = "runs"
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return "", fmt.Errorf("run folder: %w", err)
	}
	next, err := nextNumber(parent, name)
	if err != nil {
		return "", err
	}
	for ; ; next++ { // another process may take a number at the same time
		dir := filepath.Join(parent, name+"-"+strconv.Itoa(next))
		err := os.Mkdir(dir, 0o777)
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("run folder: %w", err)
		}
	}
}

// nextNumber returns a number above those of all runs of a name.
func nextNumber(parent, name string) (int, error) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return 0, fmt.Errorf("run folder: %w", err)
	}
	next := 1
	for _, e := range entries {
		if number, ok := strings.CutPrefix(e.Name(), name+"-"); ok {
			if n, err := strconv.Atoi(number); err == nil && n >= next && n < 1<<30 {
				next = n + 1
			}
		}
	}
	return next, nil
}

// checkEmpty refuses to put a run where something is, but for the lock of one that
// never began.
func checkEmpty(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("run folder: %w", err)
	}
	if len(names) == 0 || len(names) == 1 && names[0] == train.LockFile {
		return nil
	}
	if exists(filepath.Join(dir, settingsFile)) {
		return fmt.Errorf("run folder %s: it holds a run already; go on with it by --resume %s, or choose another --out", dir, dir)
	}
	return fmt.Errorf("run folder %s: it is not empty; choose another --out", dir)
}

// discard removes the folder of a run that never began, which is still locked.
func discard(dir string) {
	if exists(filepath.Join(dir, train.StateFile)) || exists(filepath.Join(dir, train.ModelFile)) {
		return
	}
	_ = os.Remove(filepath.Join(dir, settingsFile))
	_ = os.Remove(filepath.Join(dir, train.LockFile))
	_ = os.Remove(dir) // fails, as it should, where there is anything else
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// modelPath returns the model file that an argument names: itself, or the one of a
// run's folder.
func modelPath(arg string) (string, error) {
	info, err := os.Stat(arg)
	if err != nil {
		return "", fmt.Errorf("model: %w", err)
	}
	if !info.IsDir() {
		return arg, nil
	}
	path := filepath.Join(arg, train.ModelFile)
	if !exists(path) {
		return "", fmt.Errorf("model: folder %s holds no %s (one is there after the first epoch of training)", arg, train.ModelFile)
	}
	return path, nil
}
