package reference

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/backend"
)

// hostTensor is the Tensor: an array and who is using it.
type hostTensor struct {
	device *device
	spec   backend.TensorSpec
	usage  backend.Usage
	data   array // whoever has claimed usage may look
}

// NewTensor implements backend.Backend.
func (d *device) NewTensor(spec backend.TensorSpec) (backend.Tensor, error) {
	fail := func(err error) (backend.Tensor, error) {
		return nil, fmt.Errorf("reference: tensor %q: %w", spec.Name, err)
	}
	d.lifetime.RLock()
	defer d.lifetime.RUnlock()
	if d.closed {
		return fail(backend.ErrClosed)
	}
	if err := spec.Validate(); err != nil {
		return fail(err)
	}
	data, err := newArray(spec.DType, spec.Shape.Elements())
	if err != nil {
		return fail(err)
	}
	spec.Shape = spec.Shape.Clone()
	t := &hostTensor{device: d, spec: spec, data: data}
	d.hold(t, data.size())
	return t, nil
}

// Spec implements backend.Tensor.
func (t *hostTensor) Spec() backend.TensorSpec { return t.spec }

// Version implements backend.Tensor.
func (t *hostTensor) Version() uint64 { return t.usage.Version() }

// Write implements backend.Tensor. A Float32 tensor takes float64 data too, at
// full precision.
func (t *hostTensor) Write(host *tensor.Dense) error {
	return t.with("Write", backend.Write, func() error {
		switch {
		case t.spec.DType == backend.Int32:
			values, err := backend.HostData[int32](host, t.spec)
			if err != nil {
				return err
			}
			if err := backend.CheckLimit(t.spec, values); err != nil {
				return err
			}
			copy(t.data.ints, values)
		case t.spec.DType == backend.Uint8:
			values, err := backend.HostData[uint8](host, t.spec)
			if err != nil {
				return err
			}
			copy(t.data.bytes, values)
		case host != nil && host.Dtype() == tensor.Float64:
			values, err := backend.HostData[float64](host, t.spec)
			if err != nil {
				return err
			}
			copy(t.data.floats, values)
		default:
			values, err := backend.HostData[float32](host, t.spec)
			if err != nil {
				return err
			}
			for i, v := range values {
				t.data.floats[i] = float64(v)
			}
		}
		t.usage.Written()
		return nil
	})
}

// Read implements backend.Tensor. A Float32 tensor can be read into float64 data
// too, at full precision.
func (t *hostTensor) Read(host *tensor.Dense) error {
	return t.with("Read", backend.Read, func() error {
		switch {
		case t.spec.DType == backend.Int32:
			values, err := backend.HostData[int32](host, t.spec)
			if err != nil {
				return err
			}
			copy(values, t.data.ints)
		case t.spec.DType == backend.Uint8:
			values, err := backend.HostData[uint8](host, t.spec)
			if err != nil {
				return err
			}
			copy(values, t.data.bytes)
		case host != nil && host.Dtype() == tensor.Float64:
			values, err := backend.HostData[float64](host, t.spec)
			if err != nil {
				return err
			}
			copy(values, t.data.floats)
		default:
			values, err := backend.HostData[float32](host, t.spec)
			if err != nil {
				return err
			}
			for i, v := range t.data.floats {
				values[i] = float32(v)
			}
		}
		return nil
	})
}

// Free implements backend.Tensor.
func (t *hostTensor) Free() error {
	return t.with("Free", backend.Write, func() error {
		t.device.release(t)
		t.drop()
		return nil
	})
}

func (t *hostTensor) drop() {
	t.usage.Retire()
	t.data = array{}
}

// with runs f on a tensor that is alive and claimed.
func (t *hostTensor) with(what string, a backend.Access, f func() error) error {
	t.device.lifetime.RLock()
	defer t.device.lifetime.RUnlock()
	if err := t.usage.Begin(a); err != nil {
		return fmt.Errorf("reference: %s of tensor %q: %w", what, t.spec.Name, err)
	}
	defer t.usage.End(a)
	return f()
}

// usageOf returns who uses a tensor of this device; nil if it is of another.
func (d *device) usageOf(t backend.Tensor) *backend.Usage {
	if x, ok := t.(*hostTensor); ok && x.device == d {
		return &x.usage
	}
	return nil
}
