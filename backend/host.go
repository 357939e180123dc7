package backend

import (
	"fmt"

	"gorgonia.org/tensor"
)

// hostElement is an element type of host data.
type hostElement interface {
	float32 | float64 | int32 | uint8
}

// HostData returns the elements of a row-major, contiguous host array that has as
// many of them as the tensor described by spec, without copying or allocating.
// Backends use it in Write and Read.
func HostData[T hostElement](host *tensor.Dense, spec TensorSpec) ([]T, error) {
	if host == nil {
		return nil, fmt.Errorf("backend: tensor %q: %w: no host array is given", spec.Name, ErrShape)
	}
	var want T
	var data any
	ok := false
	switch any(want).(type) {
	case float32:
		if ok = host.Dtype() == tensor.Float32; ok {
			s := host.Float32s()
			data = &s
		}
	case float64:
		if ok = host.Dtype() == tensor.Float64; ok {
			s := host.Float64s()
			data = &s
		}
	case int32:
		if ok = host.Dtype() == tensor.Int32; ok {
			s := host.Int32s()
			data = &s
		}
	case uint8:
		if ok = host.Dtype() == tensor.Uint8; ok {
			s := host.Uint8s()
			data = &s
		}
	}
	if !ok {
		return nil, fmt.Errorf("backend: tensor %q: %w: host array of %v, expected %T", spec.Name, ErrType, host.Dtype(), want)
	}
	if host.DataOrder().IsColMajor() || host.RequiresIterator() {
		return nil, fmt.Errorf("backend: tensor %q: %w: the host array is not row-major and contiguous", spec.Name, ErrShape)
	}
	s := *data.(*[]T)
	if len(s) != spec.Shape.Elements() {
		return nil, fmt.Errorf("backend: tensor %q: %w: host array %v has %d elements, expected %d for %v",
			spec.Name, ErrShape, host.Shape(), len(s), spec.Shape.Elements(), spec.Shape)
	}
	return s, nil
}

// CheckLimit verifies that values written to an Int32 tensor keep its declared
// limit, and names the first that does not.
func CheckLimit(spec TensorSpec, values []int32) error {
	if spec.Limit <= 0 {
		return nil
	}
	for i, v := range values {
		if v < 0 || int(v) >= spec.Limit {
			return fmt.Errorf("backend: tensor %q: %w: element %d is %d, expected 0 to %d", spec.Name, ErrRange, i, v, spec.Limit-1)
		}
	}
	return nil
}
