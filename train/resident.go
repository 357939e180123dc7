package train

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/data"
	"fovea/nn"
)

// The bound buffers of a resident set, and of the rows of a batch.
const (
	imagesBuffer  = "set.images"
	labelsBuffer  = "set.labels"
	valuesBuffer  = "set.values"
	classesBuffer = "set.classes"
	scaleBuffer   = "set.scale"
	shiftBuffer   = "set.shift"
	rowsBuffer    = "set.rows"
)

// resident is a training set in a backend's memory. It holds the whole storage of the
// set, which its views share, so that batches are known by Batch.Rows; what belongs
// to no example of the set is never gathered.
type resident struct {
	backend backend.Backend
	set     *data.Set
	targets *targets
	tensors map[string]backend.Tensor
}

// newResident uploads a set. Images of bytes stay bytes, and are normalised whenever
// they are gathered; images of floats are normalised once, here.
func newResident(b backend.Backend, t *targets, set *data.Set) (*resident, error) {
	r := &resident{backend: b, set: set, targets: t, tensors: map[string]backend.Tensor{}}
	if err := r.upload(); err != nil {
		return nil, errors.Join(fmt.Errorf("train: the set %q in the backend's memory: %w", set.Name(), err), r.close())
	}
	return r, nil
}

func (r *resident) upload() error {
	if err := r.uploadImages(); err != nil {
		return err
	}
	n, d := r.set.Images().Len(), r.targets.outputs
	if r.targets.regression {
		values := make([]float32, n*d)
		for i := range r.set.Len() {
			copy(values[r.set.Row(i)*d:], r.set.Target(i))
		}
		return r.put(valuesBuffer, 0, dense(values, n, d))
	}
	labels := make([]int32, n)
	for i := range r.set.Len() {
		labels[r.set.Row(i)] = r.set.Label(i)
	}
	err := r.put(labelsBuffer, d, dense(labels, n))
	if err == nil && r.targets.rows {
		// Rows of this matrix are the classes one-hot.
		identity := make([]float32, d*d)
		for c := range d {
			identity[c*d+c] = 1
		}
		err = r.put(classesBuffer, 0, dense(identity, d, d))
	}
	return err
}

func (r *resident) uploadImages() error {
	m := r.set.Images()
	n, size := m.Len(), m.Height*m.Width*m.Channels
	if n > math.MaxInt32/size {
		return fmt.Errorf("%w: %d images of %d values each, expected at most 2³¹−1 values together", backend.ErrMemory, n, size)
	}
	if m.Bytes == nil {
		pixels := slices.Clone(m.Floats)
		if err := r.set.Normalization().Apply(pixels, m.Channels); err != nil {
			return err
		}
		return r.put(imagesBuffer, 0, dense(pixels, n, m.Height, m.Width, m.Channels))
	}
	scale, shift, err := r.set.Normalization().ScaleShift(m.Channels)
	if err != nil {
		return err
	}
	if err := r.put(imagesBuffer, 0, dense(m.Bytes, n, m.Height, m.Width, m.Channels)); err != nil {
		return err
	}
	if err := r.put(scaleBuffer, 0, dense(scale, m.Channels)); err != nil {
		return err
	}
	return r.put(shiftBuffer, 0, dense(shift, m.Channels))
}

// dense shows values as an array.
func dense[T any](values []T, shape ...int) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
}

// put makes a tensor of host data.
func (r *resident) put(name string, limit int, host *tensor.Dense) error {
	spec := backend.TensorSpec{Name: name, Shape: backend.Shape(host.Shape()), Limit: limit}
	switch host.Dtype() {
	case tensor.Int32:
		spec.DType = backend.Int32
	case tensor.Uint8:
		spec.DType = backend.Uint8
	}
	t, err := r.backend.NewTensor(spec)
	if err != nil {
		return err
	}
	r.tensors[name] = t
	return t.Write(host)
}

// gather returns the Program that picks a batch of n examples by its rows: it writes
// the inputs of the training step.
func (r *resident) gather(n int) *backend.Program {
	p := backend.NewProgram("gather")
	view := func(kind backend.BufferKind, name string, d backend.DType, limit int, s backend.Shape) backend.View {
		id := p.AddBuffer(backend.Buffer{Name: name, Kind: kind, DType: d, Elements: s.Elements(), Limit: limit})
		return backend.View{Buffer: id, DType: d, Shape: s}
	}
	resident := func(name string) backend.View {
		t, ok := r.tensors[name]
		if !ok {
			return backend.View{}
		}
		s := t.Spec()
		return view(backend.Bound, name, s.DType, s.Limit, s.Shape)
	}
	images := resident(imagesBuffer)
	rows := view(backend.Bound, rowsBuffer, backend.Int32, images.Shape[0], backend.Shape{n})
	batch := images.Shape.Clone()
	batch[0] = n
	p.Add("images", &backend.Gather{
		Y: view(backend.Bound, nn.InputName, backend.Float32, 0, batch), X: images, Indices: rows,
		Scale: resident(scaleBuffer), Shift: resident(shiftBuffer),
	})
	d := r.targets.outputs
	asRows := backend.Shape{n, d}
	switch {
	case r.targets.regression:
		p.Add("targets", &backend.Gather{Y: view(backend.Bound, nn.TargetName, backend.Float32, 0, asRows), X: resident(valuesBuffer), Indices: rows})
	case r.targets.rows:
		labels := view(backend.Scratch, "labels", backend.Int32, d, backend.Shape{n})
		p.Add("labels", &backend.Gather{Y: labels, X: resident(labelsBuffer), Indices: rows})
		p.Add("targets", &backend.Gather{Y: view(backend.Bound, nn.TargetName, backend.Float32, 0, asRows), X: resident(classesBuffer), Indices: labels})
	default:
		p.Add("targets", &backend.Gather{Y: view(backend.Bound, nn.TargetName, backend.Int32, d, backend.Shape{n}), X: resident(labelsBuffer), Indices: rows})
	}
	return p
}

func (r *resident) close() error {
	var errs []error
	for _, t := range r.tensors {
		errs = append(errs, t.Free())
	}
	return errors.Join(errs...)
}
