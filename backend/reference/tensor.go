package reference

import (
	"fmt"
	"sync/atomic"

	"gorgonia.org/tensor"

	"fovea/backend"
)

// hostTensor is the Tensor: an array and who is using it.
type hostTensor struct {
	device  *device
	spec    backend.TensorSpec
	usage   backend.Usage
	version atomic.Uint64
	data    array // whoever has claimed usage may look
	freed   bool  // likewise
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
	if err := spec.Shape.Validate(); err != nil {
		return fail(err)
	}
	if spec.Limit > 0 && spec.DType != backend.Int32 {
		return fail(fmt.Errorf("%w: a Limit of %d goes with int32, found %v", backend.ErrType, spec.Limit, spec.DType))
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
func (t *hostTensor) Version() uint64 { return t.version.Load() }

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
		t.version.Add(1)
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

func (t *hostTensor) drop() { t.data, t.freed = array{}, true }

// with runs f on a tensor that is alive and claimed.
func (t *hostTensor) with(what string, a backend.Access, f func() error) error {
	t.device.lifetime.RLock()
	defer t.device.lifetime.RUnlock()
	if err := t.claim(a); err != nil {
		return fmt.Errorf("reference: %s of tensor %q: %w", what, t.spec.Name, err)
	}
	defer t.usage.End(a)
	return f()
}

// claim begins the use of a tensor that is alive; the device's lifetime must be
// held.
func (t *hostTensor) claim(a backend.Access) error {
	if t.device.closed {
		return backend.ErrClosed
	}
	if err := t.usage.Begin(a); err != nil {
		return err
	}
	if t.freed {
		t.usage.End(a)
		return backend.ErrClosed
	}
	return nil
}
