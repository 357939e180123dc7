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

// RegisterLayer makes a type of layer known to model files, under its Kind, usually
// from the init function of its package. The prototype is a struct value, not a
// pointer; its fields go into the file as package json writes them. It panics where
// the prototype is no struct or the kind is taken by another type.
func RegisterLayer(prototype Layer) {
	t := reflect.TypeOf(prototype)
	if t == nil || t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("BUG: a %T is registered as a layer, expected a struct", prototype))
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
		Activate{}, Maxout{}, Dropout{}, BatchNorm{}, Pad{}, Resize{}, Residual{}, Sequential{},
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
		if isNil(l) {
			return nil, fmt.Errorf("nn: layer %d is nil", i)
		}
		t := reflect.TypeOf(l)
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if known, ok := registered(l.Kind()); !ok || known != t {
			return nil, fmt.Errorf("nn: layer %d is a %T, which is not registered as %q", i, l, l.Kind())
		}
		out[i] = map[string]Layer{l.Kind(): l}
	}
	return json.Marshal(out)
}

// maxNesting bounds the objects and lists inside one another in a list of layers:
// each layer around another adds three, and settings have some of their own. Reading
// takes time in proportion to it.
const maxNesting = 4 * maxDepth

// UnmarshalJSON implements json.Unmarshaler. A setting that the layer does not have
// is an error.
func (ls *Layers) UnmarshalJSON(data []byte) error {
	if nestedDeeper(data, maxNesting) {
		return fmt.Errorf("nn: layers are nested more than %d objects and lists deep", maxNesting)
	}
	var in []map[string]json.RawMessage
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("nn: layers: %w", err)
	}
	out := make(Layers, len(in))
	for i, object := range in {
		if len(object) != 1 {
			return fmt.Errorf("nn: layer %d: an object of %d entries, expected one, named after its kind", i, len(object))
		}
		for kind, settings := range object {
			t, ok := registered(kind)
			if !ok {
				return fmt.Errorf("nn: layer %d: unknown kind %q, expected one of %s", i, kind, strings.Join(layerKinds(), ", "))
			}
			v := reflect.New(t)
			if err := strict(settings, v.Interface()); err != nil {
				return fmt.Errorf("nn: layer %d (%s): %w", i, kind, trimmed{err})
			}
			out[i] = v.Elem().Interface().(Layer)
		}
	}
	*ls = out
	return nil
}

func registered(kind string) (t reflect.Type, ok bool) {
	layerTypes.RLock()
	defer layerTypes.RUnlock()
	t, ok = layerTypes.m[kind]
	return t, ok
}

// strict decodes one JSON value; fields that v does not have are errors.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// nestedDeeper reports whether objects and lists lie more than limit deep in one
// another.
func nestedDeeper(data []byte, limit int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > limit {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Model) UnmarshalJSON(data []byte) error {
	type plain Model
	if err := strict(data, (*plain)(m)); err != nil {
		return fmt.Errorf("nn: model: %w", trimmed{err})
	}
	return nil
}
