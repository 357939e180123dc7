package nn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"sync"
)

// layerTypes maps the kind of a layer to its type.
var layerTypes = struct {
	sync.RWMutex
	m map[string]reflect.Type
}{m: map[string]reflect.Type{}}

// RegisterLayer makes a type of layer known to model files, under its Kind. The
// prototype is a struct value, not a pointer; its fields go into the file as
// package json writes them.
func RegisterLayer(prototype Layer) {
	t := reflect.TypeOf(prototype)
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("BUG: layer %T is registered as a %v, expected a struct", prototype, t.Kind()))
	}
	layerTypes.Lock()
	defer layerTypes.Unlock()
	if known, ok := layerTypes.m[prototype.Kind()]; ok && known != t {
		panic(fmt.Sprintf("BUG: layer kind %q is registered for %v and %v", prototype.Kind(), known, t))
	}
	layerTypes.m[prototype.Kind()] = t
}

func init() {
	for _, l := range []Layer{
		Conv2D{}, Dense{}, MaxPool2D{}, AvgPool2D{}, GlobalAvgPool2D{}, GlobalMaxPool2D{}, Flatten{},
		Activate{}, Maxout{}, Dropout{}, BatchNorm{}, Pad{}, Resize{}, Residual{},
	} {
		RegisterLayer(l)
	}
}

func layerKinds() []string {
	layerTypes.RLock()
	defer layerTypes.RUnlock()
	kinds := make([]string, 0, len(layerTypes.m))
	for k := range layerTypes.m {
		kinds = append(kinds, k)
	}
	sort.Strings(kinds)
	return kinds
}

// Layers is a list of layers that package json can write and read: each is an
// object with its settings under the name of its kind, {"conv": {…}}.
type Layers []Layer

// MarshalJSON implements json.Marshaler.
func (ls Layers) MarshalJSON() ([]byte, error) {
	out := make([]map[string]Layer, len(ls))
	for i, l := range ls {
		if l == nil {
			return nil, fmt.Errorf("nn: layer %d is nil", i)
		}
		layerTypes.RLock()
		known := layerTypes.m[l.Kind()]
		layerTypes.RUnlock()
		if known != reflect.TypeOf(l) {
			return nil, fmt.Errorf("nn: layer %d is a %T, which is not registered as %q", i, l, l.Kind())
		}
		out[i] = map[string]Layer{l.Kind(): l}
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler. A setting that the layer does not have
// is an error.
func (ls *Layers) UnmarshalJSON(data []byte) error {
	var in []map[string]json.RawMessage
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	out := make(Layers, len(in))
	for i, object := range in {
		if len(object) != 1 {
			return fmt.Errorf("nn: layer %d: an object of %d entries, expected one, named after its kind", i, len(object))
		}
		for kind, settings := range object {
			layerTypes.RLock()
			t, ok := layerTypes.m[kind]
			layerTypes.RUnlock()
			if !ok {
				return fmt.Errorf("nn: layer %d: unknown kind %q, expected one of %s", i, kind, strings.Join(layerKinds(), ", "))
			}
			v := reflect.New(t)
			d := json.NewDecoder(bytes.NewReader(settings))
			d.DisallowUnknownFields()
			if err := d.Decode(v.Interface()); err != nil {
				return fmt.Errorf("nn: layer %d (%s): %w", i, kind, err)
			}
			out[i] = v.Elem().Interface().(Layer)
		}
	}
	*ls = out
	return nil
}
