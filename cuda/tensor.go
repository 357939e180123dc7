//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/cuda/driver"
	"fovea/cuda/internal/pool"
)

// array is the Tensor: device memory and who is using it. Its usage is claimed while
// work is queued, not while it runs: the stream keeps the order.
type array struct {
	device *device
	spec   backend.TensorSpec
	usage  backend.Usage
	memory pool.Block // whoever has claimed usage may look
}

// NewTensor implements backend.Backend.
func (d *device) NewTensor(spec backend.TensorSpec) (backend.Tensor, error) {
	d.lifetime.RLock()
	defer d.lifetime.RUnlock()
	err := spec.Validate()
	if d.closed {
		err = backend.ErrClosed
	}
	spec.Shape = spec.Shape.Clone()
	t := &array{device: d, spec: spec}
	if err == nil {
		err = t.create()
	}
	if err != nil {
		return nil, fmt.Errorf("cuda: tensor %q: %w", spec.Name, meaning(err))
	}
	return t, nil
}

// create allocates the memory and fills it with zeros.
func (t *array) create() (err error) {
	if t.memory, err = t.device.allocate(t.bytes(), "tensor "+t.spec.Name); err != nil {
		return err
	}
	t.device.hold(t)
	const word = 4
	if err := t.device.stream.Fill(t.address(), 0, (t.bytes()+word-1)/word*word); err != nil {
		return errors.Join(err, t.device.release(t))
	}
	return nil
}

func (t *array) bytes() int { return t.spec.Shape.Elements() * t.spec.DType.Size() }

func (t *array) address() driver.Address { return driver.Address(t.memory.Address) }

// Spec implements backend.Tensor.
func (t *array) Spec() backend.TensorSpec { return t.spec }

// Version implements backend.Tensor.
func (t *array) Version() uint64 { return t.usage.Version() }

// Write implements backend.Tensor. The data has been copied into pinned memory when
// it returns; it arrives on the device after the runs that are queued already.
func (t *array) Write(host *tensor.Dense) error {
	return t.with("Write", backend.Write, func() error {
		data, err := t.elements(host)
		if err != nil {
			return err
		}
		if t.spec.DType == backend.Int32 {
			if err := backend.CheckLimit(t.spec, host.Int32s()); err != nil {
				return err
			}
		}
		if err := t.device.staging.write(t.address(), data); err != nil {
			return err
		}
		t.usage.Written()
		return nil
	})
}

// Read implements backend.Tensor.
func (t *array) Read(host *tensor.Dense) error {
	return t.with("Read", backend.Read, func() error {
		data, err := t.elements(host)
		if err != nil {
			return err
		}
		return t.device.staging.read(data, t.address())
	})
}

// elements returns the memory of a host array that fits.
func (t *array) elements(host *tensor.Dense) ([]byte, error) {
	switch t.spec.DType {
	case backend.Int32:
		return elements[int32](host, t.spec)
	case backend.Uint8:
		return elements[uint8](host, t.spec)
	}
	return elements[float32](host, t.spec)
}

func elements[T float32 | int32 | uint8](host *tensor.Dense, spec backend.TensorSpec) ([]byte, error) {
	values, err := backend.HostData[T](host, spec)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*spec.DType.Size()), nil
}

// Free implements backend.Tensor. Runs that are queued still use the memory: what is
// queued later, on whatever gets it next, comes after them.
func (t *array) Free() error {
	return t.with("Free", backend.Write, func() error { return t.device.release(t) })
}

func (t *array) drop() error {
	t.usage.Retire()
	b := t.memory
	t.memory = pool.Block{}
	return t.device.memory.Free(b)
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
		return fmt.Errorf("cuda: %s of tensor %q: %w", what, t.spec.Name, meaning(err))
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
