package nn_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/graph"
	"fovea/nn"
)

// trained is a file with something in every field.
func trained(t testing.TB) *nn.File {
	net, err := nn.NewNetwork(open(t, "reference"), small(), 4, nil)
	require.NoError(t, err)
	arrays, err := net.Arrays()
	require.NoError(t, err)
	return &nn.File{
		Model: small(), Loss: nn.NegativeLogLikelihood, Classes: []string{"a", "b", "ü", "\""},
		Mean: []float32{1.5, 0.1}, Std: []float32{255, 3}, Arrays: numbered(arrays),
		Extra:       map[string]string{"train.state": `{"epoch":3}`},
		ExtraArrays: []nn.Array{{Name: nn.ExtraPrefix + "slot1/conv1.weight", Shape: backend.Shape{2, 1}, Data: []float32{-1, float32(math.Inf(1))}}},
	}
}

func TestFileRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	f := trained(t)
	require.NoError(t, f.Write(path))
	got, err := nn.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, f, got)
	first, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, got.Write(path))
	second, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, first, second, "equal files have equal bytes")

	for _, name := range backends {
		net, err := got.Network(open(t, name), func(p string) bool { return strings.HasPrefix(p, "conv1.") })
		require.NoError(t, err)
		arrays, err := net.Arrays()
		require.NoError(t, err)
		assert.ElementsMatch(t, f.Arrays, arrays)
		assert.Len(t, net.Layout.Frozen.Slots, 2)
	}
	got.Arrays = got.Arrays[1:]
	dev := open(t, "reference")
	before := dev.Memory().InUse
	_, err = got.Network(dev, nil)
	assert.ErrorContains(t, err, `array "conv1.weight" is missing`)
	assert.Equal(t, before, dev.Memory().InUse)
}

// The least that a file needs.
func TestFileWithoutExtras(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	f := trained(t)
	f = &nn.File{Model: f.Model, Arrays: f.Arrays}
	require.NoError(t, f.Write(path))
	got, err := nn.ReadFile(path)
	require.NoError(t, err)
	f.Extra = map[string]string{}
	assert.Equal(t, f, got)
}

func same(_ *nn.Builder, x *graph.Node) *graph.Node { return x }

// What ReadFile would refuse is not written, and leaves the file that is there.
func TestWriteErrors(t *testing.T) {
	for what, c := range map[string]struct {
		change func(f *nn.File)
		want   string
	}{
		"no model":        {func(f *nn.File) { f.Model = nil }, "there is no model"},
		"broken model":    {func(f *nn.File) { f.Model.Layers = nil }, `model "small": shape mismatch: it has no layers`},
		"loss":            {func(f *nn.File) { f.Loss = nn.SigmoidCrossEntropy }, `the loss SigmoidCrossEntropy does not train the output "probabilities"`},
		"unknown loss":    {func(f *nn.File) { f.Loss = nn.Loss{Kind: 88} }, `LossKind(88) has no name`},
		"classes":         {func(f *nn.File) { f.Classes = f.Classes[1:] }, "3 class names, the model has 4 outputs"},
		"means":           {func(f *nn.File) { f.Mean = f.Mean[1:] }, "1 means and 2 deviations, expected one of each for 2 channels, or none"},
		"channels":        {func(f *nn.File) { f.Mean, f.Std = f.Mean[1:], f.Std[1:] }, "1 means and 1 deviations, expected one of each for 2 channels"},
		"no number":       {func(f *nn.File) { f.Mean[1] = float32(math.NaN()) }, "mean NaN and deviation 3 of channel 1, expected finite numbers, the deviation positive"},
		"infinite":        {func(f *nn.File) { f.Std[0] = float32(math.Inf(1)) }, "deviation +Inf of channel 0"},
		"zero":            {func(f *nn.File) { f.Std[0] = 0 }, "deviation 0 of channel 0"},
		"missing":         {func(f *nn.File) { f.Arrays = f.Arrays[1:] }, `array "conv1.weight" is missing, expected shape [3 3 3 2]`},
		"shape":           {func(f *nn.File) { f.Arrays[0].Shape = backend.Shape{54} }, `array "conv1.weight" has shape [54], expected [3 3 3 2]`},
		"length":          {func(f *nn.File) { f.Arrays[0].Data = nil }, `array "conv1.weight" has 0 numbers, expected 54`},
		"not finite":      {func(f *nn.File) { f.Arrays[0].Data[7] = float32(math.NaN()) }, `element 7 of array "conv1.weight" is NaN, expected finite numbers`},
		"foreign array":   {func(f *nn.File) { f.Arrays = append(f.Arrays, f.ExtraArrays...) }, `array "extra/slot1/conv1.weight", [2 1], is none of the model's`},
		"prefix":          {func(f *nn.File) { f.ExtraArrays[0].Name = "slot1" }, `the additional array "slot1", expected a name that begins with "extra/"`},
		"extra twice":     {func(f *nn.File) { f.ExtraArrays = append(f.ExtraArrays, f.ExtraArrays...) }, `name occurs twice`},
		"extra shape":     {func(f *nn.File) { f.ExtraArrays[0].Shape = backend.Shape{7} }, `2 elements, but shape [7] has 7`},
		"own key":         {func(f *nn.File) { f.Extra["fovea.model"] = "" }, `the metadata key "fovea.model" is the model file's own`},
		"format":          {func(f *nn.File) { f.Extra["format"] = "tf" }, `the metadata key "format" is the model file's own`},
		"unknown layer":   {func(f *nn.File) { f.Model.Layers = append(nn.Layers{loose(same)}, f.Model.Layers...) }, `layer 0 is a nn_test.loose, which is not registered as "loose"`},
		"unwritable text": {func(f *nn.File) { f.Model.Name = "\xff"; f.Extra["\xff"] = "" }, `UTF-8`},
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.safetensors")
			require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
			f := trained(t)
			c.change(f)
			err := f.Write(path)
			require.ErrorContains(t, err, c.want)
			assert.Regexp(t, `^nn: .*m\.safetensors`, err.Error())
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, "old", string(text))
			entries, err := os.ReadDir(filepath.Dir(path))
			require.NoError(t, err)
			assert.Len(t, entries, 1, "no temporary file stays")
		})
	}
}

// A place that cannot be written to is an error that names it.
func TestWriteToBadPlaces(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(file, []byte("old"), 0o600))
	for _, path := range []string{filepath.Join(file, "m.safetensors"), filepath.Join(folder, "none", "m.safetensors"), folder} {
		err := trained(t).Write(path)
		require.ErrorContains(t, err, path)
		assert.Regexp(t, `^nn: `, err.Error())
	}
	if os.Getuid() != 0 {
		require.NoError(t, os.Chmod(folder, 0o500))
		t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
		assert.ErrorIs(t, trained(t).Write(file), fs.ErrPermission)
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "old", string(text))
}

// rewrite changes the header of a model file, as JSON.
func rewrite(t testing.TB, file []byte, change func(header map[string]any)) []byte {
	n := binary.LittleEndian.Uint64(file)
	var header map[string]any
	require.NoError(t, json.Unmarshal(file[8:8+n], &header))
	change(header)
	text, err := json.Marshal(header)
	require.NoError(t, err)
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return append(append(out, text...), file[8+n:]...)
}

// describe changes the text of the model's description.
func describe(t testing.TB, file []byte, old, new string) []byte {
	return rewrite(t, file, func(h map[string]any) {
		m := h["__metadata__"].(map[string]any)
		text := m["fovea.model"].(string)
		require.Contains(t, text, old)
		m["fovea.model"] = strings.Replace(text, old, new, 1)
	})
}

func TestReadErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	require.NoError(t, trained(t).Write(path))
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	data := 8 + binary.LittleEndian.Uint64(good) // where the numbers begin
	for what, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":           {nil, ""},
		"truncated head":  {good[:100], ""},
		"truncated data":  {good[:len(good)-4], ""},
		"longer":          {append(good[:len(good):len(good)], 0), ""},
		"huge header":     {append([]byte{255, 255, 255, 255, 255, 255, 255, 127}, good...), ""},
		"text":            {[]byte("not a model, but a text that is long enough"), ""},
		"no metadata":     {rewrite(t, good, func(h map[string]any) { delete(h, "__metadata__") }), `it is no model of fovea: its metadata has no "fovea.model"`},
		"no description":  {rewrite(t, good, func(h map[string]any) { delete(h["__metadata__"].(map[string]any), "fovea.model") }), `it is no model of fovea`},
		"not JSON":        {describe(t, good, `{"format"`, `"format"`), `metadata "fovea.model": invalid character`},
		"trailing":        {describe(t, good, `{"format"`, `{} {"format"`), `metadata "fovea.model": invalid character`},
		"version":         {describe(t, good, `"format":1`, `"format":2`), `format 2, expected 1`},
		"no version":      {describe(t, good, `"format":1,`, ``), `format 0, expected 1`},
		"unknown field":   {describe(t, good, `"loss":`, `"losses":1,"loss":`), `metadata "fovea.model": json: unknown field "losses"`},
		"unknown setting": {describe(t, good, `"filters":`, `"philters":1,"filters":`), `metadata "fovea.model": model: layer 0 (conv): json: unknown field "philters"`},
		"unknown kind":    {describe(t, good, `"maxpool"`, `"minpool"`), `model: layer 3: unknown kind "minpool"`},
		"unknown loss":    {describe(t, good, `"NegativeLogLikelihood"`, `"Hinge"`), `unknown backend.LossKind "Hinge"`},
		"null model":      {describe(t, good, `"model":`, `"model":null,"loss":{"kind":"SoftmaxCrossEntropy"},"x":`), `unknown field "x"`},
		"no model": {rewrite(t, good, func(h map[string]any) {
			h["__metadata__"].(map[string]any)["fovea.model"] = `{"format":1,"model":null}`
		}), `there is no model`},
		"does not build": {describe(t, good, `"filters":3`, `"filters":0`), `model "small": graph: "conv1": 0 filters`},
		"wrong loss":     {describe(t, good, `"NegativeLogLikelihood"`, `"SigmoidCrossEntropy"`), `does not train the output`},
		"classes":        {describe(t, good, `"classes":["a",`, `"classes":[`), `3 class names, the model has 4 outputs`},
		"mean":           {describe(t, good, `"mean":[1.5,`, `"mean":[`), `1 means and 2 deviations`},
		"deviation":      {describe(t, good, `"std":[255,`, `"std":[-255,`), `deviation -255 of channel 0`},
		"other shape":    {describe(t, good, `"units":4`, `"units":5`), `4 class names, the model has 5 outputs`},
		"renamed":        {rewrite(t, good, func(h map[string]any) { h["x"] = h["dense1.bias"]; delete(h, "dense1.bias") }), `array "x", [4], is none of the model's`},
		"hidden": {rewrite(t, good, func(h map[string]any) { h["extra/x"] = h["dense1.bias"]; delete(h, "dense1.bias") }),
			`array "dense1.bias" is missing, expected shape [4]`},
		"not finite": {slices.Concat(good[:data], []byte{0, 0, 0x80, 0x7f}, good[data+4:]), `element 0 of array "conv1.weight" is +Inf, expected finite numbers`},
		"other type": {rewrite(t, good, func(h map[string]any) {
			h["dense1.bias"].(map[string]any)["dtype"] = "I32"
		}), `dense1.bias`},
		"enormous": {describe(t, good, `"filters":3`, `"filters":1099511627776`), `has more than 2147483647 elements`},
		"large":    {describe(t, describe(t, good, `"classes":["a","b","ü","\""],`, ``), `"units":4`, `"units":30000000`), `array "dense1.weight" has shape [4 18], expected [30000000 18]`},
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.safetensors")
			require.NoError(t, os.WriteFile(path, c.file, 0o600))
			_, err := nn.ReadFile(path)
			require.ErrorContains(t, err, c.want)
			assert.Regexp(t, `^nn: .*m\.safetensors`, err.Error())
			assert.NotRegexp(t, `.nn: `, err.Error(), "the prefix comes once")
		})
	}
	_, err = nn.ReadFile(filepath.Join(t.TempDir(), "none.safetensors"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = nn.ReadFile(t.TempDir())
	assert.Error(t, err)
}

// A model file cut off anywhere is an error, never a model.
func TestReadTruncated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	require.NoError(t, trained(t).Write(path))
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	for n := 0; n < len(good); n += 97 {
		require.NoError(t, os.WriteFile(path, good[:n], 0o600))
		_, err := nn.ReadFile(path)
		require.Error(t, err, n)
	}
}

const python = `
import json, sys
from safetensors import safe_open
with safe_open(sys.argv[1], framework="np") as f:
    metadata = f.metadata()
    arrays = {}
    for name in f.keys():
        a = f.get_tensor(name)
        arrays[name] = {"shape": list(a.shape), "sum": float(a.astype("float64").sum())}
description = json.loads(metadata["fovea.model"])
json.dump({"model": description["model"], "classes": description["classes"], "state": metadata["train.state"], "arrays": arrays}, sys.stdout)
`

// Python's safetensors reads a model file, description and arrays.
func TestPythonReadsModelFiles(t *testing.T) {
	if err := exec.Command("python3", "-c", "import numpy, safetensors").Run(); err != nil {
		t.Skip("Python cannot import safetensors and numpy: model files are not compared with it: ", err)
	}
	path := filepath.Join(t.TempDir(), "m.safetensors")
	f := trained(t)
	f.ExtraArrays[0].Data[1] = 4 // JSON has no infinity
	require.NoError(t, f.Write(path))
	out, err := exec.Command("python3", "-c", python, path).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatal(string(exit.Stderr))
	}
	require.NoError(t, err)
	var got struct {
		Model   *nn.Model
		Classes []string
		State   string
		Arrays  map[string]struct {
			Shape backend.Shape
			Sum   float64
		}
	}
	require.NoError(t, json.Unmarshal(out, &got))
	assert.Equal(t, f.Model, got.Model)
	assert.Equal(t, f.Classes, got.Classes)
	assert.Equal(t, `{"epoch":3}`, got.State)
	assert.Len(t, got.Arrays, len(f.Arrays)+1)
	for _, a := range append(f.Arrays, f.ExtraArrays...) {
		sum := 0.0
		for _, v := range a.Data {
			sum += float64(v)
		}
		assert.Equal(t, a.Shape, got.Arrays[a.Name].Shape, a.Name)
		assert.Equal(t, sum, got.Arrays[a.Name].Sum, a.Name) // whole multiples of 2⁻⁸: exact
	}
}

// Whatever the bytes, reading a model file ends with an error or with a file that can
// be written and read again.
func FuzzReadFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed")
	m := nn.MLP(backend.Shape{2}, nil, 2)
	w := nn.Array{Name: "dense1.weight", Shape: backend.Shape{2, 2}, Data: []float32{1, 2, 3, 4}}
	b := nn.Array{Name: "dense1.bias", Shape: backend.Shape{2}, Data: []float32{1, 2}}
	require.NoError(f, (&nn.File{Model: m, Classes: []string{"a", "b"}, Mean: []float32{1, 2}, Std: []float32{3, 4}, Arrays: []nn.Array{w, b}}).Write(path))
	good, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(describe(f, good, `"units":2`, `"units":2147483647`))
	f.Add(describe(f, good, `"format":1`, `"format":null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "m.safetensors")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		file, err := nn.ReadFile(path)
		if err != nil {
			return
		}
		require.NoError(t, file.Write(path))
		_, err = nn.ReadFile(path)
		require.NoError(t, err)
	})
}
