// Package safetensors reads and writes files in the safetensors format: named arrays and a map of
// strings, without code, in a layout that can be checked completely before a value is read.
//
// A file is
//
//	8 bytes   N, the length of the header, little-endian
//	N bytes   the header, a JSON object in UTF-8, padded with spaces
//	the rest  the values of all tensors, little-endian, row-major, without gaps
//
// and the header holds an entry for each tensor and optionally a map from strings to strings:
//
//	{"__metadata__": {"format": "pt"},
//	 "conv1.weight": {"dtype": "F32", "shape": [6, 5, 5, 1], "data_offsets": [0, 600]}}
//
// where offsets count bytes from the end of the header. The reader is strict: what the format does
// not provide for is an error, not a guess. It needs memory for a small multiple of the header,
// which must really be there, and for the tensors that are asked for, never for what a header
// merely claims.
//
// Source: https://github.com/huggingface/safetensors, section "Format".
package safetensors

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxHeader is the longest header that the format allows, in bytes.
const maxHeader = 100_000_000

// metadataKey is the header's one key that is not the name of a tensor.
const metadataKey = "__metadata__"

var (
	// ErrFormat says that a file is not a well-formed safetensors file, or that a File cannot be
	// written as one.
	ErrFormat = errors.New("safetensors: invalid format")

	// ErrDType says that a tensor has another element type than was asked for, or one of the
	// format's types that this package does not read.
	ErrDType = errors.New("safetensors: wrong element type")

	// ErrNotFound says that a file holds no tensor of a name.
	ErrNotFound = errors.New("safetensors: no such tensor")
)

// DType is the type of a tensor's elements, under the name that it has in a file.
type DType string

// The element types that are read and written.
const (
	F32 DType = "F32" // float32
	F64 DType = "F64" // float64
	I32 DType = "I32" // int32
	I64 DType = "I64" // int64
	U8  DType = "U8"  // uint8
)

// Size returns the size of an element in bytes, 0 for a type that is not read or written.
func (d DType) Size() int64 {
	switch d {
	case F32, I32:
		return 4
	case F64, I64:
		return 8
	case U8:
		return 1
	}
	return 0
}

// File is the content of a file, all in memory.
type File struct {
	Metadata map[string]string // free text, nil when there is none
	Tensors  []Tensor
}

// Tensor returns the tensor of the given name, or an error that wraps ErrNotFound.
func (f *File) Tensor(name string) (Tensor, error) {
	for _, t := range f.Tensors {
		if t.Name == name {
			return t, nil
		}
	}
	return Tensor{}, notFound(name)
}

// Tensor is a named array. A shape without dimensions is a scalar, which has one element.
type Tensor struct {
	Name  string
	Shape []int
	Data  any // []float32, []float64, []int32, []int64 or []uint8, row-major
}

// DType returns the type of the elements, "" when Data is of none of the types that it may be.
func (t Tensor) DType() DType {
	switch t.Data.(type) {
	case []float32:
		return F32
	case []float64:
		return F64
	case []int32:
		return I32
	case []int64:
		return I64
	case []uint8:
		return U8
	}
	return ""
}

// Float32s returns the elements of an F32 tensor without copying them, for any other an error that
// wraps ErrDType. Model files hold nothing else; elements of other types are in Data.
func (t Tensor) Float32s() ([]float32, error) {
	values, ok := t.Data.([]float32)
	if !ok {
		return nil, fmt.Errorf("safetensors: tensor %s: elements are %s, want %s%w", quote(t.Name), typeName(t), F32, silent{ErrDType})
	}
	return values, nil
}

// typeName names the element type for an error, a Go type where it is none of the format's.
func typeName(t Tensor) string {
	if d := t.DType(); d != "" {
		return string(d)
	}
	return fmt.Sprintf("%T", t.Data)
}

// element lists the Go types of the elements.
type element interface {
	float32 | float64 | int32 | int64 | uint8
}

// count returns the number of elements of a shape. The product of the dimensions other than zero
// must fit an int, so that no reader of the shape can overflow, in whatever order it multiplies.
func count(shape []int) (int, error) {
	product, empty := 1, false
	for _, dim := range shape {
		switch {
		case dim < 0:
			return 0, formatErrorf("shape %s has a negative dimension", listText(shape))
		case dim == 0:
			empty = true
		case product > math.MaxInt/dim:
			return 0, formatErrorf("shape %s has more elements than can be counted", listText(shape))
		default:
			product *= dim
		}
	}
	if empty {
		return 0, nil
	}
	return product, nil
}

// silent wraps a sentinel without adding its text to a message that already says everything.
type silent struct{ sentinel error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.sentinel }

func formatErrorf(format string, args ...any) error {
	return fmt.Errorf(format+"%w", append(args, silent{ErrFormat})...)
}

func notFound(name string) error {
	return fmt.Errorf("safetensors: no tensor %s%w", quote(name), silent{ErrNotFound})
}

// quote quotes text from a file for an error, and shortens what is longer than a name should be.
func quote(s string) string {
	const longest = 100
	if len(s) <= longest {
		return strconv.Quote(s)
	}
	return strconv.Quote(strings.ToValidUTF8(s[:longest], "")) + "…"
}

// listText is a shape for an error, shortened like quote does.
func listText[T int | int64](list []T) string {
	const longest = 16
	if len(list) <= longest {
		return fmt.Sprint(list)
	}
	return strings.TrimSuffix(fmt.Sprint(list[:longest]), "]") + " …]"
}
