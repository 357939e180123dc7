package nn

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

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

// The model file's own keys in the metadata.
const (
	fileKey   = "fovea.model" // the description
	formatKey = "format"
)

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

// Write stores the file under the path, whole or not at all: on any error a file
// that is there already stays. It makes the checks of ReadFile first.
func (f *File) Write(path string) error {
	if err := f.check(); err != nil {
		return fmt.Errorf("nn: %s: %w", path, err)
	}
	text, err := json.Marshal(description{formatVersion, f.Model, f.Loss, f.Classes, f.Mean, f.Std})
	if err != nil {
		return fmt.Errorf("nn: %s: %w", path, err)
	}
	// Other programs look for the format of the framework in which shapes are as here.
	out := &safetensors.File{Metadata: map[string]string{formatKey: "pt", fileKey: string(text)}}
	maps.Copy(out.Metadata, f.Extra)
	for _, a := range slices.Concat(f.Arrays, f.ExtraArrays) {
		out.Tensors = append(out.Tensors, safetensors.Tensor{Name: a.Name, Shape: a.Shape, Data: a.Data})
	}
	if err := atomicfile.Write(path, func(w io.Writer) error { return safetensors.Write(w, out) }); err != nil {
		return fmt.Errorf("nn: %s: %w", path, err)
	}
	return nil
}

// ReadFile reads a model file. It checks that the model builds and that the arrays
// are those of the model, of finite numbers.
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
	if err := strict([]byte(text), &d); err != nil {
		return nil, fmt.Errorf("nn: %s: metadata %q: %w", path, fileKey, trimmed{err})
	}
	f := &File{Model: d.Model, Loss: d.Loss, Classes: d.Classes, Mean: d.Mean, Std: d.Std, Extra: maps.Clone(in.Metadata)}
	delete(f.Extra, fileKey)
	delete(f.Extra, formatKey)
	for _, t := range in.Tensors {
		data, err := t.Float32s()
		if err != nil {
			return nil, fmt.Errorf("nn: %s: %w", path, err)
		}
		a := Array{t.Name, backend.Shape(t.Shape), data}
		if strings.HasPrefix(a.Name, ExtraPrefix) {
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

// check reports what keeps a file from being written or used. Errors have no prefix.
func (f *File) check() error {
	b, err := f.Model.Build(1, false)
	if err != nil {
		return trimmed{err}
	}
	if err := f.Loss.check(f.Model.output()); err != nil {
		return err
	}
	if n := b.Logits.Shape()[1]; len(f.Classes) > 0 && len(f.Classes) != n {
		return fmt.Errorf("%d class names, the model has %d outputs", len(f.Classes), n)
	}
	if err := f.checkNormalization(); err != nil {
		return err
	}
	for _, key := range []string{fileKey, formatKey} {
		if _, taken := f.Extra[key]; taken {
			return fmt.Errorf("the metadata key %q is the model file's own", key)
		}
	}
	for _, a := range f.ExtraArrays {
		if !strings.HasPrefix(a.Name, ExtraPrefix) {
			return fmt.Errorf("the additional array %q, expected a name that begins with %q", a.Name, ExtraPrefix)
		}
	}
	if err := checkArrays(f.Arrays, b.arrays()); err != nil {
		return err
	}
	return f.checkFinite()
}

// checkFinite refuses parameters with which every prediction would be no number.
func (f *File) checkFinite() error {
	for _, a := range f.Arrays {
		if i := slices.IndexFunc(a.Data, func(v float32) bool { return v-v != 0 }); i >= 0 {
			return fmt.Errorf("element %d of array %q is %g, expected finite numbers", i, a.Name, a.Data[i])
		}
	}
	return nil
}

func (f *File) checkNormalization() error {
	channels := f.Model.Input[len(f.Model.Input)-1]
	if len(f.Mean) != len(f.Std) || len(f.Mean) > 0 && len(f.Mean) != channels {
		return fmt.Errorf("%d means and %d deviations, expected one of each for %d channels, or none", len(f.Mean), len(f.Std), channels)
	}
	for c, std := range f.Std {
		// x − x is 0 unless x is infinite or no number.
		if mean := f.Mean[c]; mean-mean != 0 || !(std > 0) || std-std != 0 {
			return fmt.Errorf("mean %g and deviation %g of channel %d, expected finite numbers, the deviation positive", mean, std, c)
		}
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
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}
