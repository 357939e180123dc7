package main

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/data"
	"fovea/nn"
)

func TestEvalOfARunIsItsTest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tested := good(t, dir, small("--out", "run", "--split-seed", "9", "--seed", "4")...).last(t)
	for _, args := range [][]string{
		{"run"}, {"run/model.safetensors"}, {"run", "--data", "digits"}, {"run", "--threads", "1"}, {"run", "--part", "test"},
	} {
		measured := good(t, dir, append([]string{"eval", "--json"}, args...)...).last(t)
		assert.Equal(t, "result", measured["event"])
		for _, key := range resultKeys {
			assert.Contains(t, measured, key)
		}
		for _, key := range []string{"accuracy", "loss", "examples", "model", "backend", "seed", "data_bytes"} {
			assert.Equal(t, tested[key], measured[key], "%v %s", args, key)
		}
	}
	// The network has learnt the training part.
	assert.Greater(t, good(t, dir, "eval", "run", "--part", "train", "--json").last(t)["examples"], tested["examples"])
	text := good(t, dir, "eval", "run").stdout
	for _, part := range []string{"mlp", "digits/test: 270 images", "accuracy"} {
		assert.Contains(t, text, part)
	}
}

func TestEvalRefusesDataThatDoNotFit(t *testing.T) {
	t.Parallel()
	dir := trained(t)
	for class := range 3 {
		for i := range 9 {
			picture := image.NewGray(image.Rect(0, 0, 9, 9))
			picture.SetGray(class, i, color.Gray{Y: 255})
			writePNG(t, picture, filepath.Join(dir, "shapes", "shape"+strconv.Itoa(class), strconv.Itoa(i)+".png"))
		}
	}
	o := fovea(t, dir, "eval", "run", "--data", "folder:shapes")
	assert.Equal(t, exitFailed, o.code)
	assert.Contains(t, o.stderr, "10 classes")
	assert.Contains(t, o.stderr, "has 3")

	// The same number of classes under other names is worth a word.
	good(t, dir, "train", "--model", "mlp", "--data", "folder:shapes", "--epochs", "1", "--out", "three")
	for class := range 3 {
		require.NoError(t, os.Rename(filepath.Join(dir, "shapes", "shape"+strconv.Itoa(class)), filepath.Join(dir, "shapes", "form"+strconv.Itoa(class))))
	}
	o = good(t, dir, "eval", "three", "--data", "folder:shapes", "--json")
	assert.Contains(t, o.stderr, "shape0")
	assert.Equal(t, "result", o.last(t)["event"])
}

func TestEvalNeedsToKnowTheData(t *testing.T) {
	t.Parallel()
	dir := trained(t)
	path := filepath.Join(dir, "run", "model.safetensors")
	f, err := nn.ReadFile(path)
	require.NoError(t, err)
	f.Extra = nil
	require.NoError(t, f.Write(path))
	o := fovea(t, dir, "eval", "run")
	assert.Equal(t, exitMisuse, o.code)
	assert.Contains(t, o.stderr, "--data")
	good(t, dir, "eval", "run", "--data", "digits")
}

func TestModelsOfOtherThanImagesAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := nn.MLP(backend.Shape{4}, nil, 2)
	f := nn.File{Model: m, Arrays: []nn.Array{
		{Name: "dense1.weight", Shape: backend.Shape{2, 4}, Data: make([]float32, 8)},
		{Name: "dense1.bias", Shape: backend.Shape{2}, Data: make([]float32, 2)},
	}}
	require.NoError(t, f.Write(filepath.Join(dir, "rows.safetensors")))
	for _, args := range [][]string{{"eval", "rows.safetensors", "--data", "digits"}, {"predict", "rows.safetensors", "x.png"}} {
		o := fovea(t, dir, args...)
		assert.Equal(t, exitFailed, o.code)
		assert.Contains(t, o.stderr, "expected images")
	}
}

// writeDigits writes n held-out digits as pictures and returns their files and classes.
func writeDigits(t *testing.T, dir string, n int) (files, classes []string) {
	t.Helper()
	splits, err := data.Open(t.Context(), "digits", data.Options{Seed: 1})
	require.NoError(t, err)
	for i := range n {
		picture := image.NewGray(image.Rect(0, 0, 8, 8))
		copy(picture.Pix, splits.Test.Images().Bytes[splits.Test.Row(i)*64:][:64])
		name := "digit" + strconv.Itoa(i) + ".png"
		writePNG(t, picture, filepath.Join(dir, name))
		files = append(files, name)
		classes = append(classes, splits.Test.Classes()[splits.Test.Label(i)])
	}
	return files, classes
}

func writePNG(t *testing.T, picture image.Image, path string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, png.Encode(f, picture))
}

func TestPredictTellsDigits(t *testing.T) {
	t.Parallel()
	dir := trained(t)
	const n = 40
	files, classes := writeDigits(t, dir, n)
	accuracy := good(t, dir, "eval", "run", "--json").last(t)["accuracy"].(float64)

	var first []map[string]any
	for _, batch := range []string{"32", "7", "1000"} {
		events := good(t, dir, append([]string{"predict", "--json", "--batch", batch, "run"}, files...)...).events(t)
		require.Len(t, events, n+1)
		right := 0
		for i, e := range events[:n] {
			require.Equal(t, "prediction", e["event"])
			require.Equal(t, files[i], e["file"])
			if e["class"] == classes[i] {
				right++
			}
			top := e["top"].([]any)
			require.Len(t, top, 3)
			assert.Equal(t, e["probability"], top[0].(map[string]any)["probability"])
			assert.GreaterOrEqual(t, top[0].(map[string]any)["probability"], top[1].(map[string]any)["probability"])
		}
		// Of 40 pictures, accuracies above 0.9 let 8 wrong pass once in thousands.
		assert.Greater(t, accuracy, 0.9)
		assert.Greater(t, right, n-8)
		assert.EqualValues(t, n, events[n]["files"])
		assert.EqualValues(t, 0, events[n]["failed"])
		if first == nil {
			first = events[:n]
		}
		for i := range first {
			assert.Equal(t, first[i]["class"], events[i]["class"], "batch %s", batch)
			assert.InDelta(t, first[i]["probability"], events[i]["probability"], 1e-5, "batch %s: sums may be in another order", batch)
		}
	}
}

func TestPredictGoesOnAfterABadPicture(t *testing.T) {
	t.Parallel()
	dir := trained(t)
	files, _ := writeDigits(t, dir, 3)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.png"), []byte("\x89PNG\r\n\x1a\n and so on"), 0o666))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.png"), 0o777))
	o := fovea(t, dir, "predict", "--json", "run", files[0], "bad.png", files[1], "missing.png", "folder.png", files[2])
	assert.Equal(t, exitFailed, o.code)
	var got []string
	for _, e := range o.events(t) {
		file, _ := e["file"].(string)
		got = append(got, e["event"].(string)+" "+file)
	}
	assert.Equal(t, []string{
		"prediction " + files[0], "error bad.png", "prediction " + files[1], "error missing.png", "error folder.png", "prediction " + files[2],
		"result ", "error ",
	}, got)
	assert.Contains(t, o.stderr, "3 of 6 pictures")

	o = fovea(t, dir, "predict", "--top", "2", "run", files[0], "bad.png")
	assert.Equal(t, exitFailed, o.code)
	assert.Contains(t, o.stderr, "bad.png")
	assert.Equal(t, 1, strings.Count(o.stdout, "\n"))
	assert.Equal(t, 2, strings.Count(o.stdout, "%"))
}

func TestDevices(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, e := range good(t, t.TempDir(), "devices", "--json").events(t) {
		assert.Equal(t, "device", e["event"])
		if e["device"] == nil {
			assert.NotEmpty(t, e["error"], e["name"])
		}
		name, _, _ := strings.Cut(e["name"].(string), ":")
		names[name] = true
	}
	for _, name := range append(backend.Names(), "cuda") {
		assert.True(t, names[name], name)
	}
	text := good(t, t.TempDir(), "devices").stdout
	assert.Contains(t, text, "cpu")
	assert.Contains(t, text, "go build -tags cuda", "how to get the GPU build, which this is not")
	o := fovea(t, t.TempDir(), "train", "--backend", "cuda:0")
	assert.Equal(t, 2, o.code)
	assert.Contains(t, o.stderr, "go build -tags cuda")
}

func TestDataListAndInfo(t *testing.T) {
	t.Parallel()
	list := good(t, t.TempDir(), "data", "list").stdout
	for _, name := range []string{"digits", "mnist", "fashion", "folder"} {
		assert.Contains(t, list, name)
	}
	info := good(t, t.TempDir(), "data", "info", "digits").stdout
	for _, part := range []string{"8×8×1", "10 classes", "1,258", "269", "270", "mean", "standard deviation"} {
		assert.Contains(t, info, part)
	}
	assert.Len(t, regexp.MustCompile(`(?m)^  \d `).FindAllString(info, -1), 10, "a line for each class")
}
