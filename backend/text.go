package backend

import (
	"fmt"
	"strings"
)

// The enumerations that model files store are written by name.

// MarshalText returns the function's name.
func (f Func) MarshalText() ([]byte, error) { return marshalName(f, Funcs()) }

// UnmarshalText sets the function of that name.
func (f *Func) UnmarshalText(text []byte) error { return unmarshalName(f, text, Funcs()) }

// MarshalText returns the mode's name.
func (m PadMode) MarshalText() ([]byte, error) { return marshalName(m, PadModes()) }

// UnmarshalText sets the mode of that name.
func (m *PadMode) UnmarshalText(text []byte) error { return unmarshalName(m, text, PadModes()) }

// PadModes lists all padding modes.
func PadModes() []PadMode { return []PadMode{PadZeros, PadReflect, PadEdge} }

// MarshalText returns the mode's name.
func (m ResizeMode) MarshalText() ([]byte, error) { return marshalName(m, ResizeModes()) }

// UnmarshalText sets the mode of that name.
func (m *ResizeMode) UnmarshalText(text []byte) error { return unmarshalName(m, text, ResizeModes()) }

// ResizeModes lists all modes of Resize.
func ResizeModes() []ResizeMode { return []ResizeMode{Nearest, Bilinear, Area} }

// MarshalText returns the loss's name.
func (k LossKind) MarshalText() ([]byte, error) { return marshalName(k, LossKinds()) }

// UnmarshalText sets the loss of that name.
func (k *LossKind) UnmarshalText(text []byte) error { return unmarshalName(k, text, LossKinds()) }

// MarshalText returns the rule's name.
func (r OptimizerRule) MarshalText() ([]byte, error) { return marshalName(r, OptimizerRules()) }

// UnmarshalText sets the rule of that name.
func (r *OptimizerRule) UnmarshalText(text []byte) error {
	return unmarshalName(r, text, OptimizerRules())
}

type enumeration interface {
	comparable
	fmt.Stringer
}

func marshalName[T enumeration](v T, all []T) ([]byte, error) {
	for _, w := range all {
		if v == w {
			return []byte(v.String()), nil
		}
	}
	return nil, fmt.Errorf("backend: %v has no name", v)
}

func unmarshalName[T enumeration](v *T, text []byte, all []T) error {
	names := make([]string, len(all))
	for i, w := range all {
		if names[i] = w.String(); names[i] == string(text) {
			*v = w
			return nil
		}
	}
	return fmt.Errorf("backend: unknown %T %q, expected one of %s", *v, text, strings.Join(names, ", "))
}
