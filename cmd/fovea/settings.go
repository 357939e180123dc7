package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"fovea/backend"
	"fovea/data"
	"fovea/internal/atomicfile"
	"fovea/nn"
	"fovea/train"
)

// settings is everything that a run depends on.
type settings struct {
	Data    origin       `json:"data"`
	Model   string       `json:"model"`
	Backend string       `json:"backend"`
	Threads int          `json:"threads"` // 0: one for each processor; results do not depend on it
	Train   train.Config `json:"train"`
}

// settingsFile is the file of a run's folder that holds them.
const settingsFile = "settings.json"

func (s settings) write(dir string) error {
	return atomicfile.Write(filepath.Join(dir, settingsFile), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(s)
	})
}

func readSettings(dir string) (s settings, err error) {
	path := filepath.Join(dir, settingsFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return s, fmt.Errorf("no run to go on with: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// origin says which examples a model has seen. It is kept in model files too, so that
// what was held out stays held out.
type origin struct {
	Specification string `json:"specification"` // as package data takes it
	SplitSeed     uint64 `json:"split_seed"`
	TrainingSeed  uint64 `json:"training_seed"`
}

// originKey is the key of the origin in a model file's metadata.
const originKey = "fovea.data"

func (o origin) metadata() map[string]string {
	text, err := json.Marshal(o)
	if err != nil {
		panic("BUG: origin: " + err.Error())
	}
	return map[string]string{originKey: string(text)}
}

// originOf returns the origin of a model; its zero value where the file tells none.
func originOf(path string, f *nn.File) (o origin, err error) {
	if text, ok := f.Extra[originKey]; ok {
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return o, fmt.Errorf("%s: metadata %q: %w", path, originKey, err)
		}
	}
	return o, nil
}

// openData loads the data, brought to the shape that a model takes.
func openData(ctx context.Context, o origin, input backend.Shape) (*data.Splits, error) {
	if err := imageShape(input); err != nil {
		return nil, err
	}
	return data.Open(ctx, o.Specification, data.Options{Height: input[0], Width: input[1], Channels: input[2], Seed: o.SplitSeed})
}

// imageShape reports models that take no images.
func imageShape(input backend.Shape) error {
	if len(input) != 3 {
		return fmt.Errorf("the model takes inputs of shape %v, expected images [height width channels]", input)
	}
	return nil
}

// newModel returns a model of the zoo for the targets of a set.
func newModel(name string, set *data.Set) (*nn.Model, error) {
	if !set.Regression() {
		return nn.NewModel(name, len(set.Classes()))
	}
	m, err := nn.NewModel(name, len(set.TargetNames()))
	if err == nil {
		m.Output = nn.Values
	}
	return m, err
}
