package cpu

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/backend"
)

// array is the Tensor: memory and who is using it.
type array struct {
	device *device
	spec   backend.TensorSpec
	usage  backend.Usage
	data   []byte // whoever has claimed usage may look
}

// NewTensor implements backend.Backend.
func (d *device) NewTensor(spec backend.TensorSpec) (backend.Tensor, error) {
	d.lifetime.RLock()
	defer d.lifetime.RUnlock()
	err := spec.Validate()
	if d.closed {
		err = backend.ErrClosed
	}
	var data []byte
	if err == nil {
		data, err = d.allocate(spec.Shape.Elements() * spec.DType.Size())
	}
	if err != nil {
		return nil, fmt.Errorf("cpu: tensor %q: %w", spec.Name, err)
	}
	spec.Shape = spec.Shape.Clone()
	t := &array{device: d, spec: spec, data: data}
	d.hold(t, int64(len(t.data)))
	return t, nil
}

// Spec implements backend.Tensor.
func (t *array) Spec() backend.TensorSpec { return t.spec }

// Version implements backend.Tensor.
func (t *array) Version() uint64 { return t.usage.Version() }

// Write implements backend.Tensor.
func (t *array) Write(host *tensor.Dense) error {
	return t.with("Write", backend.Write, func() (err error) {
		switch t.spec.DType {
		case backend.Float32:
			err = write[float32](t, host, nil)
		case backend.Int32:
			err = write(t, host, backend.CheckLimit)
		case backend.Uint8:
			err = write[uint8](t, host, nil)
		}
		if err == nil {
			t.usage.Written()
		}
		return err
	})
}

// Read implements backend.Tensor.
func (t *array) Read(host *tensor.Dense) error {
	return t.with("Read", backend.Read, func() error {
		switch t.spec.DType {
		case backend.Int32:
			return read[int32](t, host)
		case backend.Uint8:
			return read[uint8](t, host)
		}
		return read[float32](t, host)
	})
}

func write[T float32 | int32 | uint8](t *array, host *tensor.Dense, check func(backend.TensorSpec, []T) error) error {
	values, err := backend.HostData[T](host, t.spec)
	if err != nil {
		return err
	}
	if check != nil {
		if err := check(t.spec, values); err != nil {
			return err
		}
	}
	copy(as[T](t.data), values)
	return nil
}

func read[T float32 | int32 | uint8](t *array, host *tensor.Dense) error {
	values, err := backend.HostData[T](host, t.spec)
	if err != nil {
		return err
	}
	copy(values, as[T](t.data))
	return nil
}

// Free implements backend.Tensor.
func (t *array) Free() error {
	return t.with("Free", backend.Write, func() error {
		t.device.release(t)
		t.drop()
		return nil
	})
}

func (t *array) drop() {
	t.usage.Retire()
	t.data = nil
}

// with runs f on a tensor that is alive and claimed.
func (t *array) with(what string, a backend.Access, f func() error) error {
	t.device.lifetime.RLock()
	defer t.device.lifetime.RUnlock()
	err := t.usage.Begin(a)
	if err == nil {
		defer t.usage.End(a)
		err = f()
	}
	if err != nil {
		return fmt.Errorf("cpu: %s of tensor %q: %w", what, t.spec.Name, err)
	}
	return nil
}

// usageOf returns who uses a tensor of this device; nil if it is of another.
func (d *device) usageOf(t backend.Tensor) *backend.Usage {
	if x, ok := t.(*array); ok && x.device == d {
		return &x.usage
	}
	return nil
}
