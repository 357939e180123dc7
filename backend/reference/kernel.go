package reference

import "fovea/backend"

// kernel executes one Op that has passed Check.
type kernel func(m *memory) error

// kernelOf returns the kernel of an Op, or nil if there is none.
func kernelOf(op backend.Op) kernel {
	switch o := op.(type) {
	case *backend.Conv2D:
		return always(conv2D, o)
	case *backend.Conv2DInputGrad:
		return always(conv2DInputGrad, o)
	case *backend.Conv2DFilterGrad:
		return always(conv2DFilterGrad, o)
	case *backend.MatMul:
		return always(matMul, o)
	case *backend.MaxPool2D:
		return always(maxPool2D, o)
	case *backend.MaxPool2DGrad:
		return always(maxPool2DGrad, o)
	case *backend.AvgPool2D:
		return always(avgPool2D, o)
	case *backend.AvgPool2DGrad:
		return always(avgPool2DGrad, o)
	case *backend.Pad:
		return always(pad, o)
	case *backend.PadGrad:
		return always(padGrad, o)
	case *backend.Resize:
		return always(resize, o)
	case *backend.ResizeGrad:
		return always(resizeGrad, o)
	case *backend.Unary:
		return always(unary, o)
	case *backend.UnaryGrad:
		return always(unaryGrad, o)
	case *backend.Binary:
		return always(binary, o)
	case *backend.Compare:
		return always(compare, o)
	case *backend.Select:
		return always(choose, o)
	case *backend.Reduce:
		return always(reduce, o)
	case *backend.ReduceMaxGrad:
		return always(reduceMaxGrad, o)
	case *backend.Fill:
		return always(fill, o)
	case *backend.Copy:
		return always(copyOf, o)
	case *backend.Slice:
		return always(slice, o)
	case *backend.Embed:
		return always(embed, o)
	case *backend.Concatenate:
		return always(concatenate, o)
	case *backend.Transpose:
		return always(transpose, o)
	case *backend.Gather:
		return fallible(gather, o)
	case *backend.ScatterAdd:
		return fallible(scatterAdd, o)
	case *backend.Convert:
		return always(convert, o)
	case *backend.Maxout:
		return always(maxout, o)
	case *backend.MaxoutGrad:
		return always(maxoutGrad, o)
	case *backend.Softmax:
		return always(softmax, o)
	case *backend.SoftmaxGrad:
		return always(softmaxGrad, o)
	case *backend.Loss:
		return fallible(loss, o)
	case *backend.LossGrad:
		return fallible(lossGrad, o)
	case *backend.Dropout:
		return always(dropout, o)
	case *backend.DropoutGrad:
		return always(dropoutGrad, o)
	case *backend.BatchNorm:
		return always(batchNorm, o)
	case *backend.BatchNormGrad:
		return always(batchNormGrad, o)
	case *backend.BatchNormInference:
		return always(batchNormInference, o)
	case *backend.MovingAverage:
		return always(movingAverage, o)
	case *backend.OptimizerStep:
		return always(optimizerStep, o)
	}
	return nil
}

// always is the kernel of an Op that cannot fail once it has passed Check.
func always[O backend.Op](f func(*memory, O), o O) kernel {
	return func(m *memory) error {
		f(m, o)
		return nil
	}
}

// fallible is the kernel of an Op that depends on the values of indices.
func fallible[O backend.Op](f func(*memory, O) error, o O) kernel {
	return func(m *memory) error { return f(m, o) }
}
