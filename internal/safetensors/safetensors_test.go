package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/internal/safetensors"
)

// sample has every element type, values at the edges of each, a scalar, an empty tensor, a tensor
// longer than the chunks in which values are converted, and names that need escaping.
func sample() *safetensors.File {
	long := make([]float32, 40_000)
	for i := range long {
		long[i] = float32(i) / 3
	}
	return &safetensors.File{
		Metadata: map[string]string{"format": "fovea", "config": "{\"a\": \"<é\\\U0001F600>\"}\n", "": ""},
		Tensors: []safetensors.Tensor{
			{Name: "bytes", Shape: []int{3}, Data: []uint8{0, 127, 255}},
			{Name: "conv1.weight", Shape: []int{2, 1, 2}, Data: []float32{1.5, float32(math.Inf(-1)), math.SmallestNonzeroFloat32, float32(math.Copysign(0, -1))}},
			{Name: "f64", Shape: []int{2}, Data: []float64{math.Pi, math.MaxFloat64}},
			{Name: "i32", Shape: []int{1, 2}, Data: []int32{math.MinInt32, math.MaxInt32}},
			{Name: "step \"\\\t\u2028\U0001F600", Shape: []int{}, Data: []int64{math.MinInt64}},
			{Name: "empty", Shape: []int{2, 0, 3}, Data: []float32{}},
			{Name: "long", Shape: []int{200, 200}, Data: long},
		},
	}
}

func write(t *testing.T, f *safetensors.File) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, safetensors.Write(&b, f))
	return b.Bytes()
}

func read(content []byte) (*safetensors.File, error) {
	r, err := safetensors.NewReader(bytes.NewReader(content), int64(len(content)), "FILE")
	if err != nil {
		return nil, err
	}
	return r.All()
}

func TestRoundTrip(t *testing.T) {
	for _, f := range []*safetensors.File{sample(), {}, {Metadata: map[string]string{"k": "v"}}} {
		content := write(t, f)
		assert.Equal(t, content, write(t, f), "writing is deterministic")
		assert.Zero(t, binary.LittleEndian.Uint64(content)%8, "the data is aligned")

		back, err := read(content)
		require.NoError(t, err)
		assert.Equal(t, f.Metadata, back.Metadata)
		require.Len(t, back.Tensors, len(f.Tensors))
		for _, want := range f.Tensors {
			got, err := back.Tensor(want.Name)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		}
		assert.Equal(t, content, write(t, back), "what was read is written as it was")
	}
}

// Bits that no comparison of values would tell apart: the payload of a NaN.
func TestNaNPayload(t *testing.T) {
	const bits = 0x7fc12345
	back, err := read(write(t, &safetensors.File{Tensors: []safetensors.Tensor{
		{Name: "x", Shape: []int{1}, Data: []float32{math.Float32frombits(bits)}},
	}}))
	require.NoError(t, err)
	values, err := back.Tensors[0].Float32s()
	require.NoError(t, err)
	assert.Equal(t, uint32(bits), math.Float32bits(values[0]))
}

func TestLayout(t *testing.T) {
	content := write(t, &safetensors.File{
		Metadata: map[string]string{"b": "2", "a": "1"},
		Tensors: []safetensors.Tensor{
			{Name: "u", Shape: []int{1}, Data: []uint8{9}},
			{Name: "y", Shape: []int{1}, Data: []float32{1}},
			{Name: "x", Shape: []int{}, Data: []int32{-2}},
			{Name: "d", Shape: []int{1}, Data: []int64{3}},
		},
	})
	header := `{"__metadata__":{"a":"1","b":"2"},` +
		`"d":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},` +
		`"y":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},` +
		`"x":{"dtype":"I32","shape":[],"data_offsets":[12,16]},` +
		`"u":{"dtype":"U8","shape":[1],"data_offsets":[16,17]}}`
	header += strings.Repeat(" ", (8-len(header)%8)%8)
	data := "\x03\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x80\x3f" + "\xfe\xff\xff\xff" + "\x09"
	assert.Equal(t, string(file(header, data)), string(content))
}

func TestFloat32s(t *testing.T) {
	for _, tensor := range sample().Tensors {
		values, err := tensor.Float32s()
		if tensor.DType() == safetensors.F32 {
			require.NoError(t, err)
			assert.Equal(t, tensor.Data, values)
			continue
		}
		require.ErrorIs(t, err, safetensors.ErrDType)
		assert.ErrorContains(t, err, "elements are "+string(tensor.DType())+", want F32")
	}
	_, err := safetensors.Tensor{Name: "x", Data: []string{}}.Float32s()
	require.ErrorIs(t, err, safetensors.ErrDType)
	assert.EqualError(t, err, `safetensors: tensor "x": elements are []string, want F32`)
}

func TestWriteRefuses(t *testing.T) {
	one := []float32{1}
	tests := []struct {
		name string
		file safetensors.File
		is   error
		want string
	}{
		{"metadata as a name", safetensors.File{Tensors: []safetensors.Tensor{{Name: "__metadata__", Shape: []int{1}, Data: one}}}, safetensors.ErrFormat, `tensor "__metadata__": cannot be a name`},
		{"name not UTF-8", safetensors.File{Tensors: []safetensors.Tensor{{Name: "\xff", Shape: []int{1}, Data: one}}}, safetensors.ErrFormat, `tensor "\xff": cannot be a name`},
		{"name twice", safetensors.File{Tensors: []safetensors.Tensor{{Name: "x", Data: one}, {Name: "x", Data: one}}}, safetensors.ErrFormat, `tensor "x": name occurs twice`},
		{"shape", safetensors.File{Tensors: []safetensors.Tensor{{Name: "x", Shape: []int{2, 3}, Data: one}}}, safetensors.ErrFormat, `tensor "x": 1 elements, but shape [2 3] has 6`},
		{"negative", safetensors.File{Tensors: []safetensors.Tensor{{Name: "x", Shape: []int{-1, -1}, Data: one}}}, safetensors.ErrFormat, `tensor "x": shape [-1 -1] has a negative dimension`},
		{"overflow", safetensors.File{Tensors: []safetensors.Tensor{{Name: "x", Shape: []int{0, math.MaxInt, 2}, Data: []float32{}}}}, safetensors.ErrFormat, "more elements than can be counted"},
		{"element type", safetensors.File{Tensors: []safetensors.Tensor{{Name: "x", Data: []int8{1}}}}, safetensors.ErrDType, `tensor "x": data is a []int8, want a slice of`},
		{"no data", safetensors.File{Tensors: []safetensors.Tensor{{Name: "x"}}}, safetensors.ErrDType, `data is a <nil>`},
		{"metadata not UTF-8", safetensors.File{Metadata: map[string]string{"k": "\xff"}}, safetensors.ErrFormat, `metadata "k": not UTF-8`},
		{"long header", safetensors.File{Metadata: map[string]string{"k": strings.Repeat("v", 100_000_000)}}, safetensors.ErrFormat, "header of 100000026 bytes or more, the format allows 100000000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			err := safetensors.Write(&b, &test.file)
			require.ErrorIs(t, err, test.is)
			assert.ErrorContains(t, err, test.want)
			assert.Zero(t, b.Len(), "nothing is written")
		})
	}
}

var errFull = errors.New("disk full")

// fullDisk fails after room bytes.
type fullDisk struct{ room int }

func (d *fullDisk) Write(b []byte) (int, error) {
	if len(b) > d.room {
		return d.room, errFull
	}
	d.room -= len(b)
	return len(b), nil
}

func TestWriteError(t *testing.T) {
	size := len(write(t, sample()))
	for _, room := range []int{0, 8, 900, size / 2, size - 1} {
		require.ErrorIs(t, safetensors.Write(&fullDisk{room}, sample()), errFull, "room for %d bytes", room)
	}
	require.NoError(t, safetensors.Write(&fullDisk{size}, sample()))
}

func TestOpen(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "model.safetensors")
	require.NoError(t, os.WriteFile(path, write(t, sample()), 0o600))

	r, err := safetensors.Open(path)
	require.NoError(t, err)
	assert.Equal(t, "fovea", r.Metadata["format"])
	assert.Len(t, r.Tensors, len(sample().Tensors))
	i32, err := r.Tensor("i32")
	require.NoError(t, err)
	assert.Equal(t, sample().Tensors[3], i32)
	_, err = r.Tensor("missing")
	require.ErrorIs(t, err, safetensors.ErrNotFound)
	assert.EqualError(t, err, `safetensors: `+path+`: no tensor "missing"`)

	// Cut off behind the reader's back.
	require.NoError(t, os.Truncate(path, 1200))
	_, err = r.All()
	require.ErrorIs(t, err, safetensors.ErrFormat)
	assert.ErrorContains(t, err, "truncated: ends at byte 1200")
	require.NoError(t, r.Close())

	_, err = safetensors.ReadFile(path)
	require.ErrorIs(t, err, safetensors.ErrFormat)
	assert.ErrorContains(t, err, "safetensors: "+path+": ")
	_, err = safetensors.ReadFile(filepath.Join(folder, "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = safetensors.ReadFile(folder)
	require.ErrorIs(t, err, safetensors.ErrFormat)
	assert.ErrorContains(t, err, "not a regular file")

	f, err := safetensors.ReadFile(writeTo(t, folder, write(t, sample())))
	require.NoError(t, err)
	_, err = f.Tensor("missing")
	require.ErrorIs(t, err, safetensors.ErrNotFound)
}

func writeTo(t *testing.T, folder string, content []byte) string {
	t.Helper()
	path := filepath.Join(folder, "written.safetensors")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}
