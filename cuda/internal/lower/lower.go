// Package lower turns backend Ops into work for a CUDA device: kernel launches,
// fills and copies. It is plain Go that runs and is tested anywhere; package cuda
// makes the nodes of a CUDA graph of what comes out.
package lower

import (
	"fmt"

	"fovea/backend"
	"fovea/kernels"
)

// Node is one piece of device work: a Launch, a Memset or a Copy.
type Node interface{ node() }

// Launch runs a kernel.
type Launch struct {
	Call        kernels.Call
	Grid, Block [3]uint32
	Shared      uint32 // bytes of dynamic shared memory
}

// Memset fills memory with a 32-bit pattern.
type Memset struct {
	Address kernels.Pointer
	Bytes   int // a multiple of 4
	Value   uint32
}

// Copy copies memory on the device.
type Copy struct {
	To, From kernels.Pointer
	Bytes    int
}

func (Launch) node() {}
func (Memset) node() {}
func (Copy) node()   {}

// Memory tells where operands lie.
type Memory interface {
	// Address returns the device address of an operand, 0 if it is absent.
	Address(v backend.View) kernels.Pointer
}

// Work is what one Op becomes.
type Work struct {
	// Workspace is the scratch memory that the Op needs, in bytes.
	Workspace int
	// Emit returns the nodes, which run one after the other.
	Emit func(m Memory, workspace kernels.Pointer) []Node
}

// Variant chooses between algorithms of convolution.
type Variant uint8

// The variants.
const (
	Implicit Variant = iota // the im2col tile is gathered into shared memory
	Explicit                // im2col and col2im through global memory: the readable baseline
)

// Device is what lowering may depend on, beside the shapes. It does not hold the
// number of multiprocessors: the order of a sum must not change with it.
type Device struct {
	Capability int // compute capability, major·10 + minor
	Variant    Variant
}

// lowering of one Op, in progress.
type lowering struct {
	Device
}

// Lower returns the work of an Op that passes Check.
func Lower(op backend.Op, d Device) (Work, error) {
	l := &lowering{d}
	if err := fits(op); err != nil {
		return Work{}, err
	}
	return l.lower(op)
}

// fits refuses operands that 32-bit element indices do not reach.
func fits(op backend.Op) error {
	for _, o := range op.Operands() {
		if n := o.View.Shape.Elements(); n > 1<<31-1 {
			return fmt.Errorf("cuda: %s: %w: operand %s has %d elements, expected at most 2³¹−1", op.Kind(), backend.ErrUnsupported, o.Name, n)
		}
	}
	return nil
}

// lower has one case for each Op. Those of a family that shares its geometry are
// told apart in the family's own file.
func (l *lowering) lower(op backend.Op) (Work, error) {
	switch o := op.(type) {
	case *backend.Conv2D, *backend.Conv2DInputGrad, *backend.Conv2DFilterGrad, *backend.MatMul:
		return l.product(op)
	case *backend.MaxPool2D, *backend.MaxPool2DGrad, *backend.AvgPool2D, *backend.AvgPool2DGrad,
		*backend.Maxout, *backend.MaxoutGrad, *backend.Softmax, *backend.SoftmaxGrad, *backend.Loss, *backend.LossGrad,
		*backend.BatchNorm, *backend.BatchNormGrad, *backend.BatchNormInference:
		return l.rows(op)
	case *backend.Unary:
		return l.unary(o)
	case *backend.UnaryGrad:
		return l.unaryGrad(o)
	case *backend.Binary:
		return l.binary(o)
	case *backend.Compare:
		return l.compare(o)
	case *backend.Select:
		return l.choose(o)
	case *backend.Reduce:
		return l.reduce(o)
	case *backend.ReduceMaxGrad:
		return l.reduceMaxGrad(o)
	case *backend.Pad:
		return l.pad(o)
	case *backend.PadGrad:
		return l.padGrad(o)
	case *backend.Resize:
		return l.resize(o)
	case *backend.ResizeGrad:
		return l.resizeGrad(o)
	case *backend.Fill:
		return l.fill(o)
	case *backend.Copy:
		return l.copy(o)
	case *backend.Slice:
		return l.slice(o)
	case *backend.Embed:
		return l.embed(o)
	case *backend.Concatenate:
		return l.concatenate(o)
	case *backend.Transpose:
		return l.transpose(o)
	case *backend.Gather:
		return l.gather(o)
	case *backend.ScatterAdd:
		return l.scatterAdd(o)
	case *backend.Convert:
		return l.convert(o)
	case *backend.Dropout:
		return l.dropout(o)
	case *backend.DropoutGrad:
		return l.dropoutGrad(o)
	case *backend.MovingAverage:
		return l.movingAverage(o)
	case *backend.OptimizerStep:
		return l.optimizerStep(o)
	}
	return Work{}, unsupported(op)
}

func unsupported(op backend.Op) error {
	return fmt.Errorf("cuda: %s: %w", op.Kind(), backend.ErrUnsupported)
}
