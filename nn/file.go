package nn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"

	"fovea/backend"
	"fovea/internal/atomicfile"
	"fovea/internal/safetensors"
)

// File is what a model file holds: everything that prediction needs, and room for
// what training adds. It is a safetensors file: the arrays are its tensors, under
// their names, and the rest is JSON in the header's metadata.
type File struct {
	Model *Model
	Loss  Loss
	// Classes names the classes in the order of the logits; empty for a regression.
	Classes []string
	// Mean and Std normalise the pixels (0 to 255) of each channel before they enter
	// the network, (x − Mean)/Std; empty means none.
	Mean, Std []float32
	// Arrays holds the parameters and running statistics.
	Arrays []Array
	// Extra is metadata of other packages, each under a key of its own.
	Extra map[string]string
	// ExtraArrays are arrays of other packages; their names begin with ExtraPrefix.
	ExtraArrays []Array
}

// ExtraPrefix begins the names of arrays that are not the model's.
const ExtraPrefix = "extra/"

// fileKey is the key of the description in the metadata.
const fileKey = "fovea.model"

// formatVersion rises when older programs cannot read what newer ones write.
const formatVersion = 1

type description struct {
	Format  int       `json:"format"`
	Model   *Model    `json:"model"`
	Loss    Loss      `json:"loss"`
	Classes []string  `json:"classes,omitempty"`
	Mean    []float32 `json:"mean,omitempty"`
	Std     []float32 `json:"std,omitempty"`
}

// Write stores the file under the path, whole or not at all.
func (f *File) Write(path string) error {
	text, err := json.Marshal(description{formatVersion, f.Model, f.Loss, f.Classes, f.Mean, f.Std})
	if err != nil {
		return fmt.Errorf("nn: %s: %w", path, err)
	}
	out := &safetensors.File{Metadata: map[string]string{"format": "pt", fileKey: string(text)}}
	for key, value := range f.Extra {
		if _, taken := out.Metadata[key]; taken {
			panic("BUG: metadata key " + key + " is the model file's own")
		}
		out.Metadata[key] = value
	}
	for _, a := range append(append([]Array(nil), f.Arrays...), f.ExtraArrays...) {
		out.Tensors = append(out.Tensors, safetensors.Tensor{Name: a.Name, Shape: a.Shape, Data: a.Data})
	}
	if err := atomicfile.Write(path, func(w io.Writer) error { return safetensors.Write(w, out) }); err != nil {
		return fmt.Errorf("nn: %w", err)
	}
	return nil
}

// ReadFile reads a model file. It checks that the model builds and that the arrays
// are those of the model.
func ReadFile(path string) (*File, error) {
	in, err := safetensors.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("nn: %w", err)
	}
	text, ok := in.Metadata[fileKey]
	if !ok {
		return nil, fmt.Errorf("nn: %s: it is no model of fovea: its metadata has no %q", path, fileKey)
	}
	var version struct{ Format int }
	if err := json.Unmarshal([]byte(text), &version); err != nil {
		return nil, fmt.Errorf("nn: %s: metadata %q: %w", path, fileKey, err)
	}
	if version.Format != formatVersion {
		return nil, fmt.Errorf("nn: %s: format %d, expected %d", path, version.Format, formatVersion)
	}
	var d description
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return nil, fmt.Errorf("nn: %s: metadata %q: %w", path, fileKey, err)
	}
	f := &File{Model: d.Model, Loss: d.Loss, Classes: d.Classes, Mean: d.Mean, Std: d.Std, Extra: maps.Clone(in.Metadata)}
	delete(f.Extra, fileKey)
	delete(f.Extra, "format")
	for _, t := range in.Tensors {
		data, err := t.Float32s()
		if err != nil {
			return nil, fmt.Errorf("nn: %s: %w", path, err)
		}
		a := Array{t.Name, backend.Shape(t.Shape), data}
		if len(a.Name) > len(ExtraPrefix) && a.Name[:len(ExtraPrefix)] == ExtraPrefix {
			f.ExtraArrays = append(f.ExtraArrays, a)
		} else {
			f.Arrays = append(f.Arrays, a)
		}
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("nn: %s: %w", path, err)
	}
	return f, nil
}

func (f *File) check() error {
	if f.Model == nil {
		return fmt.Errorf("the description holds no model")
	}
	b, err := f.Model.Build(1, false)
	if err != nil {
		return err
	}
	if n := b.Logits.Shape()[1]; len(f.Classes) > 0 && len(f.Classes) != n {
		return fmt.Errorf("%d class names, the model has %d outputs", len(f.Classes), n)
	}
	channels := f.Model.Input[len(f.Model.Input)-1]
	if len(f.Mean) != len(f.Std) || len(f.Mean) > 0 && len(f.Mean) != channels {
		return fmt.Errorf("%d means and %d deviations, expected one of each for %d channels, or none", len(f.Mean), len(f.Std), channels)
	}
	shapes := map[string]backend.Shape{}
	for _, p := range b.Parameters {
		shapes[p.Name] = p.Shape
	}
	for _, s := range b.States {
		shapes[s.Name] = s.Shape
	}
	for _, a := range f.Arrays {
		if s, ok := shapes[a.Name]; !ok || !s.Equal(a.Shape) {
			return fmt.Errorf("array %q has shape %v, the model expects %v", a.Name, a.Shape, s)
		}
		delete(shapes, a.Name)
	}
	for name, s := range shapes {
		return fmt.Errorf("array %q %v is missing", name, s)
	}
	return nil
}

// Network places the file's model on a backend.
func (f *File) Network(b backend.Backend, frozen func(parameter string) bool) (*Network, error) {
	n, err := NewNetwork(b, f.Model, 0, frozen)
	if err != nil {
		return nil, err
	}
	if err := n.SetArrays(f.Arrays); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}
