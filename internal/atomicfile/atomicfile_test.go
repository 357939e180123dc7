package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func writeString(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func TestWriteCreatesAndReplaces(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "model.bin")
	long := strings.Repeat("x", 200<<10) // longer than the buffer
	for _, content := range []string{"first", long, ""} {
		require.NoError(t, Write(path, writeString(content)))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, content, string(got))
	}
	assert.Equal(t, []string{"model.bin"}, names(t, folder), "no temporary file may stay")
}

func TestFailureKeepsTheOldFile(t *testing.T) {
	errDisk := errors.New("disk full")
	cases := []struct {
		name  string
		write func(io.Writer) error
	}{
		{"before anything", func(io.Writer) error { return errDisk }},
		{"half way", func(w io.Writer) error {
			_, _ = io.WriteString(w, strings.Repeat("y", 200<<10))
			return errDisk
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			path := filepath.Join(folder, "model.bin")
			require.NoError(t, os.WriteFile(path, []byte("old"), 0o644))

			err := Write(path, c.write)
			require.ErrorIs(t, err, errDisk)
			assert.Contains(t, err.Error(), path)

			got, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, "old", string(got))
			assert.Equal(t, []string{"model.bin"}, names(t, folder))
		})
	}
}

func TestPanicLeavesNothingBehind(t *testing.T) {
	folder := t.TempDir()
	assert.PanicsWithValue(t, "stop", func() {
		_ = Write(filepath.Join(folder, "f"), func(io.Writer) error { panic("stop") })
	})
	assert.Empty(t, names(t, folder))
}

func TestBadPaths(t *testing.T) {
	folder := t.TempDir()

	err := Write(filepath.Join(folder, "absent", "f"), writeString("x"))
	require.ErrorIs(t, err, fs.ErrNotExist)

	err = Write(folder, writeString("x"))
	require.ErrorContains(t, err, "not a regular file")
	assert.Empty(t, names(t, folder))
}

func TestModeAndLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits, and links need a privilege")
	}
	folder := t.TempDir()
	real, link := filepath.Join(folder, "real"), filepath.Join(folder, "link")
	require.NoError(t, os.WriteFile(real, []byte("old"), 0o640))
	require.NoError(t, os.Chmod(real, 0o640))
	require.NoError(t, os.Symlink("real", link))

	require.NoError(t, Write(link, writeString("new")))

	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&fs.ModeSymlink, "the link must stay a link")
	info, err = os.Stat(real)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o640), info.Mode().Perm())
	got, err := os.ReadFile(real)
	require.NoError(t, err)
	assert.Equal(t, "new", string(got))
}

func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
