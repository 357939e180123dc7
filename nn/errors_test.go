package nn_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/graph"
	"fovea/nn"
)

// Errors name the model, the layer, what was found and what was expected.
func TestBuildErrors(t *testing.T) {
	image, row := backend.Shape{8, 8, 4}, backend.Shape{8}
	sq := nn.Square
	var none *nn.Dense
	deep := nn.Layers{nn.Flatten{}}
	for range 40 {
		deep = nn.Layers{nn.Sequential{Layers: deep}}
	}
	circle := &nn.Sequential{}
	circle.Layers = nn.Layers{circle}
	for _, c := range []struct {
		in     backend.Shape
		layers nn.Layers
		want   string // the error begins with nn: model "m": graph:
	}{
		{row, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3)}}, `"conv1": the input is [1 8], expected images [N H W C]`},
		{image, nn.Layers{nn.Conv2D{Kernel: sq(3)}}, `"conv1": 0 filters of 3×3 in 1 groups over 4 channels, expected positive numbers`},
		{image, nn.Layers{nn.Conv2D{Filters: -1, Kernel: sq(3)}}, `"conv1": -1 filters`},
		{image, nn.Layers{nn.Conv2D{Filters: 1}}, `"conv1": 1 filters of 0×0`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(-3)}}, `"conv1": 1 filters of -3×-3`},
		{image, nn.Layers{nn.Conv2D{Filters: 6, Kernel: sq(3), Groups: 3}}, `"conv1": 6 filters of 3×3 in 3 groups over 4 channels, expected positive numbers and groups that divide the channels`},
		{image, nn.Layers{nn.Conv2D{Filters: 6, Kernel: sq(3), Groups: 4}}, `"conv1": Groups is 4, expected a divisor of 4 input and 6 output channels`},
		{image, nn.Layers{nn.Conv2D{Filters: 6, Kernel: sq(3), Groups: -2}}, `"conv1": 6 filters`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(9)}}, `"conv1": filter 9×9 is larger than padded input 8×8`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Stride: sq(-1)}}, `"conv1": StrideH is -1, expected 1`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Stride: sq(-1), Padding: nn.Same}}, `"conv1": StrideH is -1, expected 1`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Dilation: sq(-1)}}, `"conv1": DilationH is -1, expected 1`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Padding: nn.Around(-1)}}, `"conv1": PadTop is -1, expected 0`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Padding: nn.Padding{Same: true, Top: 1}}}, `"conv1": padding is both Same and a number of pixels`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Padding: nn.Padding{Top: 8, Mode: backend.PadReflect}}}, `"conv1": reflecting Top 8 pixels needs an image of more than 8, found 8`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Padding: nn.Padding{Mode: 9}}}, `"conv1": unknown padding mode PadMode(9)`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Init: "best"}}, `"conv1": parameter "weight": unknown initializer "best", expected one of ["zeros" "ones"`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), BiasInit: "best"}}, `"conv1": parameter "bias": unknown initializer "best"`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Activation: nn.Activation{Func: 99}}}, `"conv1": unknown function Func(99)`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Activation: nn.Activation{Func: backend.ELU, Alpha: -1}}}, `"conv1": Alpha of ELU is -1, expected 0 or more`},
		{image, nn.Layers{nn.Activate{Activation: nn.Activation{Func: backend.ELU, Alpha: math.NaN()}}}, `"activation1": Alpha of ELU is NaN`},
		{image, nn.Layers{nn.Dense{Units: 2}}, `"dense1": 2 units over an input [1 8 8 4], expected a positive number over rows [N D] (put a Flatten in front)`},
		{row, nn.Layers{nn.Dense{}}, `"dense1": 0 units`},
		{row, nn.Layers{nn.Dense{Units: -1}}, `"dense1": -1 units`},
		{row, nn.Layers{nn.Dense{Units: 1, Init: "best"}}, `"dense1": parameter "weight": unknown initializer "best"`},
		{row, nn.Layers{nn.MaxPool2D{}}, `"maxpool1": the input is [1 8], expected images`},
		{image, nn.Layers{nn.MaxPool2D{Kernel: sq(-2)}}, `"maxpool1": StrideH is -2, expected 1`},
		{image, nn.Layers{nn.MaxPool2D{Kernel: sq(-2), Stride: sq(1)}}, `"maxpool1": kernel -2×-2, expected `},
		{image, nn.Layers{nn.AvgPool2D{Kernel: sq(9)}}, `"avgpool1": filter 9×9 is larger than padded input 8×8`},
		{image, nn.Layers{nn.AvgPool2D{Padding: nn.Around(2)}}, `"avgpool1": padding (top 2, bottom 2, left 2, right 2) reaches past a pooling window of 2×2`},
		{image, nn.Layers{nn.AvgPool2D{Padding: nn.Padding{Top: 1, Mode: backend.PadEdge}}}, `"avgpool1": pooling with padding mode edge, expected none (put a Pad layer in front)`},
		{image, nn.Layers{nn.MaxPool2D{Padding: nn.Padding{Top: 1, Same: true}}}, `"maxpool1": padding is both Same and a number of pixels`},
		{row, nn.Layers{nn.GlobalAvgPool2D{}}, `"globalavgpool1": the input is [1 8], expected images`},
		{row, nn.Layers{nn.GlobalMaxPool2D{}}, `"globalmaxpool1": the input is [1 8], expected images`},
		{image, nn.Layers{nn.Maxout{Pieces: 3}}, `"maxout1": 3 pieces do not divide the last axis of [1 8 8 4]`},
		{image, nn.Layers{nn.Maxout{Pieces: -1}}, `"maxout1": -1 pieces`},
		{image, nn.Layers{nn.Dropout{Rate: 1}}, `"dropout1": rate 1, expected 0 to less than 1`},
		{image, nn.Layers{nn.Dropout{Rate: -0.1}}, `"dropout1": rate -0.1, expected 0 to less than 1`},
		{image, nn.Layers{nn.Dropout{Rate: math.NaN()}}, `"dropout1": rate NaN, expected 0 to less than 1`},
		{image, nn.Layers{nn.BatchNorm{Epsilon: -1}}, `"batchnorm1": Epsilon is -1, expected a positive number`},
		{image, nn.Layers{nn.BatchNorm{Momentum: 2}}, `"batchnorm1": momentum 2, expected more than 0 and at most 1`},
		{image, nn.Layers{nn.BatchNorm{Momentum: math.NaN()}}, `"batchnorm1": momentum NaN`},
		{image, nn.Layers{nn.BatchNorm{Name: "n"}, nn.BatchNorm{Name: "n"}}, `"n": batch normalisation "n" is used twice, expected a name for each place`},
		{row, nn.Layers{nn.Pad{}}, `"pad1": images [1 8], expected 4 axes (NHWC)`},
		{image, nn.Layers{nn.Pad{Padding: nn.Same}}, `"pad1": a Pad layer needs a number of pixels, found Same`},
		{image, nn.Layers{nn.Pad{Padding: nn.Around(-1)}}, `"pad1": padding Top is -1, expected 0`},
		{row, nn.Layers{nn.Resize{Size: sq(2)}}, `"resize1": images [1 8], expected 4 axes (NHWC)`},
		{image, nn.Layers{nn.Resize{}}, `"resize1": [1 0 0 4] has an extent of 0, expected at least 1`},
		{image, nn.Layers{nn.Resize{Size: sq(2), Mode: 9}}, `"resize1": unknown mode ResizeMode(9)`},
		{row, nn.Layers{nn.Residual{}}, `"residual1": the body has no layers`},
		{row, nn.Layers{nn.Residual{Body: nn.Layers{nn.Dense{Units: 2}}}}, `"residual1": the body makes [1 2], the shortcut [1 8]`},
		{row, nn.Layers{nn.Residual{Name: "r", Body: nn.Layers{nn.Conv2D{}}}}, `"r/conv1": the input is [1 8], expected images`},
		{row, nn.Layers{nn.Residual{Body: nn.Layers{nil}}}, `"residual1": layer 0 is nil`},
		{row, nn.Layers{nn.Flatten{}, nil}, `layer 1 is nil`},
		{row, nn.Layers{none}, `layer 0 is nil`},
		{row, deep, `layers are nested more than 32 deep`},
		{row, nn.Layers{circle}, `layers are nested more than 32 deep`},
		{image, nn.Layers{nn.MaxPool2D{}}, `the layers end in [1 4 4 4], expected rows of logits [1 D]`},
		// Sizes that no memory holds.
		{image, nn.Layers{nn.Conv2D{Filters: 1 << 40, Kernel: sq(3)}}, `"conv1.weight" of "conv1": [1099511627776 3 3 4] has more than 2147483647 elements`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(1 << 30)}}, `"conv1.weight" of "conv1": [1 1073741824 1073741824 4] has more than`},
		{image, nn.Layers{nn.Conv2D{Filters: math.MaxInt, Kernel: sq(math.MaxInt)}}, `"conv1.weight" of "conv1": [9223372036854775807`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Padding: nn.Around(1 << 40)}}, `"conv1": PadTop is 1099511627776`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Padding: nn.Around(1 << 20)}}, `"conv1": [1 2097158 2097158 1] has more than 2147483647 elements`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Dilation: sq(math.MaxInt), Padding: nn.Same}}, `"conv1": DilationH is 9223372036854775807`},
		{image, nn.Layers{nn.Conv2D{Filters: 1, Kernel: sq(3), Stride: sq(math.MaxInt), Padding: nn.Same}}, `"conv1": StrideH is 9223372036854775807`},
		{image, nn.Layers{nn.MaxPool2D{Kernel: sq(1<<62 + 1), Stride: sq(1), Dilation: sq(4)}}, `"maxpool1": kernel 4611686018427387905×4611686018427387905, expected at most 32767×32767`},
		{image, nn.Layers{nn.Pad{Padding: nn.Around(1 << 22)}}, `"pad1": [1 8388616 8388616 4] has more than`},
		{image, nn.Layers{nn.Resize{Size: sq(1 << 40)}}, `"resize1": [1 1099511627776 1099511627776 4] has more than`},
		{row, nn.Layers{nn.Dense{Units: 1 << 40}}, `"dense1.weight" of "dense1": [1099511627776 8] has more than`},
		{backend.Shape{1 << 20, 1 << 20, 3}, nn.Layers{nn.Flatten{}}, `"input": [1 1048576 1048576 3] has more than`},
		{backend.Shape{8, 0, 3}, nn.Layers{nn.Flatten{}}, `"input": [1 8 0 3] has an extent of 0, expected at least 1`},
		{backend.Shape{-8}, nn.Layers{nn.Flatten{}}, `"input": [1 -8] has an extent of -8, expected at least 1`},
		// Names.
		{row, nn.Layers{nn.Dense{Units: 8, Name: "a.b"}}, `the name "a.b" of a dense, expected one without dots and slashes`},
		{row, nn.Layers{nn.Dense{Units: 8, Name: "a/b"}}, `the name "a/b" of a dense, expected one without dots and slashes`},
		{row, nn.Layers{nn.Dense{Units: 8, Name: "a"}, nn.Dense{Units: 4, Name: "a"}}, `"a.weight" of "a": it is declared twice: `},
		{row, nn.Layers{nn.Dense{Units: 8, Name: "a"}, nn.Dense{Units: 8, Name: "a", Init: nn.Zeros}}, `"a": "a.weight" is shared, but begins as "xavier-uniform" (fan-in 8, fan-out 8) and as "zeros"`},
		{row, nn.Layers{nn.Dense{Units: 8, Name: "a"}, nn.Residual{Name: "a", Body: nn.Layers{nn.Flatten{}}}}, `"a": the name belongs to a dense and to a residual`},
		{row, nn.Layers{nn.Dense{Units: 8, Name: "dense1"}, nn.Dense{Units: 8}}, `"dense1": the name belongs to a dense and to a dense without a name`},
		{row, nn.Layers{nn.Dense{Units: 8}, nn.Dense{Units: 8, Name: "dense1"}}, `"dense1": the name belongs to a dense without a name and to a dense`},
		{row, nn.Layers{nn.Residual{Body: nn.Layers{nn.Dense{Units: 8, Name: "shortcut"}}, Shortcut: nn.Layers{nn.Dense{Units: 8}}}}, `"residual1/shortcut": the name belongs to a dense and to a branch`},
		// Layers of others.
		{row, nn.Layers{loose(func(b *nn.Builder, x *graph.Node) *graph.Node { return nil })}, `"loose1": a layer of kind "loose" made no output`},
		{row, nn.Layers{loose(func(b *nn.Builder, x *graph.Node) *graph.Node { return b.Parameter("p", backend.Shape{2, 0}, nn.Ones) })}, `"loose1.p" of "loose1": [2 0] has an extent of 0`},
		{row, nn.Layers{loose(func(b *nn.Builder, x *graph.Node) *graph.Node { return b.Parameter("p", nil, "best") })}, `"loose1": parameter "p": unknown initializer "best"`},
		{row, nn.Layers{loose(func(b *nn.Builder, x *graph.Node) *graph.Node { return b.Parameter("p", nil, nn.Ones) }), nn.Flatten{}}, `"flatten1": the input is a scalar, expected examples`},
		{row, nn.Layers{loose(func(b *nn.Builder, x *graph.Node) *graph.Node { return b.Parameter("p", nil, nn.Ones) }), nn.BatchNorm{}}, `"batchnorm1": the input is [], expected channels behind a batch`},
		{row, nn.Layers{loose(func(b *nn.Builder, x *graph.Node) *graph.Node { return b.State("s", backend.Shape{-1}, 0) })}, `"loose1.s" of "loose1": [-1] has an extent of -1`},
		{row, nn.Layers{loose(func(b *nn.Builder, x *graph.Node) *graph.Node {
			b.State("s", backend.Shape{1}, 0)
			return b.State("s", backend.Shape{1}, 1)
		})}, `"loose1": "loose1.s" is shared, but begins as 0 and as 1`},
		{row, nn.Layers{loose(func(b *nn.Builder, x *graph.Node) *graph.Node { return b.Branch("", nil, x) })}, `"loose1": the name "" of a branch, expected one without dots and slashes`},
		{row, nn.Layers{loose(func(b *nn.Builder, x *graph.Node) *graph.Node { return b.Reshape(x, 2, 4) })}, `the layers end in [2 4], expected rows of logits [1 D]`},
		{row, nn.Layers{loose(func(b *nn.Builder, x *graph.Node) *graph.Node {
			return graph.New().Input("x", backend.Float32, backend.Shape{1, 8}, 0)
		})}, `node of another graph`},
	} {
		t.Run(c.want, func(t *testing.T) {
			_, err := (&nn.Model{Name: "m", Input: c.in, Layers: c.layers}).Build(1, false)
			require.ErrorContains(t, err, c.want)
			assert.Regexp(t, `^nn: model "m": graph: `, err.Error())
			assert.NotRegexp(t, `.nn: `, err.Error(), "the prefix comes once")
		})
	}
}

func TestModelErrors(t *testing.T) {
	for _, c := range []struct {
		model    *nn.Model
		batch    int
		training bool
		want     string
	}{
		{nil, 1, false, `nn: there is no model`},
		{&nn.Model{}, 1, false, `nn: model "": shape mismatch: a batch of 1 examples of shape [], expected at least 1 of at least one axis`},
		{nn.LeNet5(10), 0, false, `nn: model "lenet5": shape mismatch: a batch of 0 examples of shape [28 28 1], expected at least 1`},
		{nn.LeNet5(10), -1, false, `a batch of -1 examples`},
		{nn.LeNet5(10), math.MaxInt, false, `has more than 2147483647 elements`},
		{nn.LeNet5(0), 1, false, `"dense3": 0 units`},
		{&nn.Model{Name: "m", Input: backend.Shape{8}}, 1, false, `nn: model "m": shape mismatch: it has no layers`},
		{&nn.Model{Name: "m", Input: backend.Shape{8}, Layers: nn.Layers{nn.Flatten{}}, Output: "classes"}, 1, false, `unknown output "classes", expected "probabilities", "independent-probabilities" or "values"`},
		{&nn.Model{Name: "m", Input: backend.Shape{8}, Layers: nn.Layers{nn.BatchNorm{}}}, 1, true, `"batchnorm1": X [1 8] has a single value per channel`},
		{&nn.Model{Name: "m", Input: backend.Shape{8}, Layers: nn.Layers{nn.BatchNorm{Epsilon: -1}}}, 2, true, `"batchnorm1": Epsilon is -1`},
		{&nn.Model{Name: "m", Input: backend.Shape{8}, Layers: nn.Layers{nn.Dropout{Rate: math.NaN()}}}, 2, true, `"dropout1": rate NaN`},
	} {
		_, err := c.model.Build(c.batch, c.training)
		assert.ErrorContains(t, err, c.want)
	}
	broken := nn.LeNet5(0)
	_, err := broken.Outputs()
	assert.ErrorContains(t, err, `"dense3"`)
	_, err = broken.ParameterCount()
	assert.ErrorContains(t, err, `"dense3"`)
	_, err = broken.Cost(1)
	assert.ErrorContains(t, err, `"dense3"`)
	assert.Contains(t, broken.Summary(), `"dense3"`)
	_, err = nn.NewNetwork(open(t, "reference"), broken, 1, nil)
	assert.ErrorContains(t, err, `"dense3"`)
	_, err = nn.NewNetwork(open(t, "reference"), nil, 1, nil)
	assert.ErrorContains(t, err, `there is no model`)
	_, err = nn.NewModel("lenet6", 10)
	assert.EqualError(t, err, `nn: unknown model "lenet6", expected one of lenet5, lenet5-tanh, mlp, vgg`)
	_, err = nn.NewModel("lenet5", 0)
	assert.EqualError(t, err, `nn: model "lenet5" for 0 classes, expected at least 1`)
}
