package reference

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
)

// every holds one of each Op of the contract.
var every = []backend.Op{
	&backend.Conv2D{}, &backend.Conv2DInputGrad{}, &backend.Conv2DFilterGrad{}, &backend.MatMul{},
	&backend.MaxPool2D{}, &backend.MaxPool2DGrad{}, &backend.AvgPool2D{}, &backend.AvgPool2DGrad{},
	&backend.Pad{}, &backend.PadGrad{}, &backend.Resize{}, &backend.ResizeGrad{},
	&backend.Unary{}, &backend.UnaryGrad{}, &backend.Binary{}, &backend.Compare{}, &backend.Select{},
	&backend.Reduce{}, &backend.ReduceMaxGrad{}, &backend.Fill{}, &backend.Copy{}, &backend.Slice{}, &backend.Embed{},
	&backend.Concatenate{}, &backend.Transpose{}, &backend.Gather{}, &backend.ScatterAdd{}, &backend.Convert{},
	&backend.Maxout{}, &backend.MaxoutGrad{}, &backend.Softmax{}, &backend.SoftmaxGrad{},
	&backend.Loss{}, &backend.LossGrad{}, &backend.Dropout{}, &backend.DropoutGrad{},
	&backend.BatchNorm{}, &backend.BatchNormGrad{}, &backend.BatchNormInference{}, &backend.MovingAverage{},
	&backend.OptimizerStep{},
}

func TestEveryOpHasAKernel(t *testing.T) {
	have := map[string]bool{}
	for _, op := range every {
		have[op.Kind()] = kernelOf(op) != nil
	}
	for _, kind := range backend.Kinds() {
		assert.True(t, have[kind], "Op %s has no kernel", kind)
	}
	assert.Len(t, have, len(backend.Kinds()))
}
