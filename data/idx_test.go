package data

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// idx returns an IDX file of unsigned bytes.
func idx(values []byte, shape ...uint32) []byte {
	out := []byte{0, 0, 8, byte(len(shape))}
	for _, n := range shape {
		out = append(out, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, values...)
}

func zip(t testing.TB, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func writeFile(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	require.NoError(t, os.WriteFile(path, content, 0o666))
	return path
}

func TestOpenIDX(t *testing.T) {
	images, labels := idx([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 2, 2, 3), idx([]byte{1, 0}, 2)
	for _, c := range []struct {
		name           string
		images, labels []byte
	}{{"plain", images, labels}, {"gzip", zip(t, images), zip(t, labels)}, {"mixed", images, zip(t, labels)}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := OpenIDX("two", writeFile(t, dir, "images", c.images), writeFile(t, dir, "labels", c.labels), []string{"a", "b"})
			require.NoError(t, err)
			assert.Equal(t, Images{Height: 2, Width: 3, Channels: 1, Bytes: images[16:]}, s.Images())
			assert.Equal(t, []int32{1, 0}, []int32{s.Label(0), s.Label(1)})
		})
	}
}

func TestBadIDX(t *testing.T) {
	good := idx([]byte{1, 2, 3, 4}, 1, 2, 2)
	with := func(at int, b byte) []byte {
		out := bytes.Clone(good)
		out[at] = b
		return out
	}
	zipped := zip(t, good)
	brokenSum := bytes.Clone(zipped)
	brokenSum[len(brokenSum)-5] ^= 1 // in the length, after the checksum
	cases := []struct {
		name    string
		content []byte
		want    error
		text    string
	}{
		{"empty", nil, ErrFormat, "truncated in the magic number"},
		{"short magic", good[:3], ErrFormat, "truncated in the magic number"},
		{"a picture", []byte("\x89PNG\r\n\x1a\n"), ErrFormat, "magic number 0x89504e47, expected 0x00000803"},
		{"signed bytes", with(2, 9), ErrFormat, "element type 0x9"},
		{"labels for images", idx([]byte{1}, 1), ErrFormat, "1 dimensions, expected 3"},
		{"short header", good[:15], ErrFormat, "truncated in the header"},
		{"no images", idx(nil, 0, 2, 2), ErrFormat, "dimension 0 has size 0"},
		{"no rows", idx(nil, 2, 0, 2), ErrFormat, "dimension 1 has size 0"},
		{"truncated", good[:19], ErrFormat, "[1 2 2] = 4 bytes, but the file can hold at most"},
		{"truncated gzip content", zip(t, good[:19]), ErrFormat, "truncated: 3 bytes of data, expected 4"},
		{"truncated gzip", zipped[:len(zipped)-12], ErrFormat, "unexpected EOF"},
		{"corrupt gzip", brokenSum, ErrFormat, "gzip"},
		{"gzip header alone", []byte{0x1f, 0x8b}, ErrFormat, "broken gzip header"},
		{"trailing byte", append(bytes.Clone(good), 0), ErrFormat, "goes on after the 4 bytes"},
		{"trailing byte in gzip", zip(t, append(bytes.Clone(good), 0)), ErrFormat, "goes on after the 4 bytes"},
		{"2 GB in 20 bytes", idx([]byte{1, 2, 3, 4}, 2000, 1000, 1000), ErrFormat, "the file can hold at most"},
		{"2 GB in a small gzip", zip(t, idx([]byte{1, 2, 3, 4}, 2000, 1000, 1000)), ErrFormat, "the file can hold at most"},
		{"overflow", idx([]byte{1}, 1<<31-1, 1<<31-1, 1<<31-1), ErrTooLarge, "more than 4096 MiB"},
		{"top bit", idx([]byte{1}, 1<<31, 1, 1), ErrFormat, "has size 2147483648"},
		{"sides out of range", idx(make([]byte, 20_000), 1, 1, 20_000), ErrFormat, "1×20000×1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := writeFile(t, t.TempDir(), "images-idx3-ubyte", c.content)
			_, err := ReadIDXImages(path)
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, path)
			assert.ErrorContains(t, err, c.text)
		})
	}
}

// TestHostileHeaderIsCheap reads a gzip stream that by its size may hold the 4 GB it declares, and does not.
func TestHostileHeaderIsCheap(t *testing.T) {
	const size = 4 << 20 // could unfold to 4 GiB
	hostile := zip(t, idx(make([]byte, 1<<20), 4000, 1000, 1000))

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := readIDX(bytes.NewReader(hostile), size, 3)
	runtime.ReadMemStats(&after)

	require.ErrorIs(t, err, ErrFormat)
	assert.ErrorContains(t, err, "truncated: 1048576 bytes of data, expected 4000000000")
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(66<<20), "64 MiB of room and the decompressor's windows")
}

// TestDataBeyondTheFirstRoom has more values than readExactly makes room for at first, so that it must grow.
func TestDataBeyondTheFirstRoom(t *testing.T) {
	const total = 65<<20 + 3
	values, err := readExactly(io.LimitReader(zeros{}, total), total)
	require.NoError(t, err)
	assert.Len(t, values, total)
	_, err = readExactly(io.LimitReader(zeros{}, total-1), total)
	require.ErrorIs(t, err, ErrFormat)
}

// zeros is an endless stream of zero bytes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestIDXFilesThatDoNotFit(t *testing.T) {
	dir := t.TempDir()
	images := writeFile(t, dir, "images", idx([]byte{1, 2}, 2, 1, 1))
	one := writeFile(t, dir, "one", idx([]byte{1}, 1))
	nine := writeFile(t, dir, "nine", idx([]byte{1, 9}, 2))

	_, err := OpenIDX("s", images, one, digitClasses())
	require.ErrorIs(t, err, ErrFormat)
	assert.ErrorContains(t, err, one+" holds 1 labels, but "+images+" holds 2 images")

	_, err = OpenIDX("s", images, nine, []string{"a", "b"})
	require.ErrorIs(t, err, ErrFormat)
	assert.ErrorContains(t, err, nine+": label 1 is 9, expected 0..1")

	_, err = ReadIDXImages(filepath.Join(dir, "absent"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = ReadIDXLabels(dir)
	require.ErrorIs(t, err, ErrFormat)
	assert.ErrorContains(t, err, "not a regular file")
}

func FuzzIDX(f *testing.F) {
	f.Add(idx([]byte{1, 2, 3, 4}, 1, 2, 2))
	f.Add(zip(f, idx([]byte{1, 2, 3, 4}, 1, 2, 2)))
	f.Add(idx([]byte{1, 2}, 2))
	f.Add(idx(nil, 1<<31-1, 1<<31-1, 1<<31-1))
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, dimensions := range []int{1, 3} {
			shape, values, err := readIDX(bytes.NewReader(file), int64(len(file)), dimensions)
			if err != nil {
				continue
			}
			total := 1
			for _, n := range shape {
				total *= n
			}
			if total != len(values) || total > maxDeflateRatio*len(file) {
				t.Fatalf("shape %v with %d values from %d bytes", shape, len(values), len(file))
			}
		}
	})
}
