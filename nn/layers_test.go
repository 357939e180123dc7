package nn_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/graph"
	"fovea/nn"
)

func TestLayerShapes(t *testing.T) {
	sq := nn.Square
	for _, c := range []struct {
		layer      nn.Layer
		in, out    backend.Shape
		parameters int
	}{
		{nn.Conv2D{Filters: 6, Kernel: sq(5)}, backend.Shape{28, 28, 1}, backend.Shape{24, 24, 6}, 156},
		{nn.Conv2D{Filters: 6, Kernel: sq(5), NoBias: true}, backend.Shape{28, 28, 1}, backend.Shape{24, 24, 6}, 150},
		{nn.Conv2D{Filters: 6, Kernel: sq(5), Padding: nn.Same}, backend.Shape{28, 28, 1}, backend.Shape{28, 28, 6}, 156},
		{nn.Conv2D{Filters: 6, Kernel: sq(5), Padding: nn.Around(2)}, backend.Shape{28, 28, 1}, backend.Shape{28, 28, 6}, 156},
		{nn.Conv2D{Filters: 64, Kernel: sq(7), Stride: sq(2), Padding: nn.Around(3)}, backend.Shape{224, 224, 3}, backend.Shape{112, 112, 64}, 64*147 + 64},
		{nn.Conv2D{Filters: 2, Kernel: nn.Size{H: 3, W: 5}, Stride: nn.Size{H: 2, W: 3}}, backend.Shape{11, 20, 4}, backend.Shape{5, 6, 2}, 2*60 + 2},
		{nn.Conv2D{Filters: 2, Kernel: sq(3), Dilation: nn.Size{H: 2, W: 3}}, backend.Shape{9, 9, 1}, backend.Shape{5, 3, 2}, 20},
		{nn.Conv2D{Filters: 2, Kernel: sq(3), Dilation: sq(2), Padding: nn.Same}, backend.Shape{9, 9, 1}, backend.Shape{9, 9, 2}, 20},
		{nn.Conv2D{Filters: 2, Kernel: sq(1), Padding: nn.Padding{Top: 1, Right: 2}}, backend.Shape{3, 3, 1}, backend.Shape{4, 5, 2}, 4},
		{nn.Conv2D{Filters: 6, Kernel: sq(3), Groups: 2}, backend.Shape{5, 5, 4}, backend.Shape{3, 3, 6}, 6*18 + 6},
		{nn.Conv2D{Filters: 4, Kernel: sq(3), Groups: 4, Padding: nn.Same}, backend.Shape{5, 5, 4}, backend.Shape{5, 5, 4}, 4*9 + 4}, // depthwise
		{nn.Conv2D{Filters: 8, Kernel: sq(3), Groups: 4}, backend.Shape{5, 5, 4}, backend.Shape{3, 3, 8}, 8*9 + 8},                   // two filters a channel
		{nn.Conv2D{Filters: 1, Kernel: sq(3), Padding: nn.Padding{Same: true, Mode: backend.PadReflect}}, backend.Shape{4, 4, 1}, backend.Shape{4, 4, 1}, 10},
		{nn.Conv2D{Filters: 1, Kernel: sq(3), Padding: nn.Padding{Top: 1, Left: 2, Mode: backend.PadEdge}}, backend.Shape{4, 4, 1}, backend.Shape{3, 4, 1}, 10},
		{nn.Dense{Units: 7}, backend.Shape{5}, backend.Shape{7}, 42},
		{nn.Dense{Units: 7, NoBias: true}, backend.Shape{5}, backend.Shape{7}, 35},
		{nn.MaxPool2D{}, backend.Shape{7, 6, 3}, backend.Shape{3, 3, 3}, 0},
		{nn.AvgPool2D{}, backend.Shape{7, 6, 3}, backend.Shape{3, 3, 3}, 0},
		{nn.MaxPool2D{Kernel: sq(3)}, backend.Shape{7, 6, 3}, backend.Shape{2, 2, 3}, 0}, // the stride is the kernel's size
		{nn.MaxPool2D{Kernel: sq(3), Stride: sq(2)}, backend.Shape{7, 6, 3}, backend.Shape{3, 2, 3}, 0},
		{nn.MaxPool2D{Kernel: sq(3), Stride: sq(2), Padding: nn.Around(1)}, backend.Shape{7, 6, 3}, backend.Shape{4, 3, 3}, 0},
		{nn.AvgPool2D{Kernel: sq(3), Stride: sq(1), Padding: nn.Same}, backend.Shape{7, 6, 3}, backend.Shape{7, 6, 3}, 0},
		{nn.AvgPool2D{Padding: nn.Same}, backend.Shape{7, 6, 3}, backend.Shape{4, 3, 3}, 0},
		{nn.MaxPool2D{Kernel: nn.Size{W: 3}}, backend.Shape{7, 6, 3}, backend.Shape{3, 2, 3}, 0}, // zero means 2
		{nn.MaxPool2D{Dilation: sq(2)}, backend.Shape{7, 6, 3}, backend.Shape{3, 2, 3}, 0},
		{nn.GlobalAvgPool2D{}, backend.Shape{7, 6, 3}, backend.Shape{3}, 0},
		{nn.GlobalMaxPool2D{}, backend.Shape{7, 6, 3}, backend.Shape{3}, 0},
		{nn.Flatten{}, backend.Shape{7, 6, 3}, backend.Shape{126}, 0},
		{nn.Flatten{}, backend.Shape{9}, backend.Shape{9}, 0},
		{nn.Activate{Activation: nn.Tanh}, backend.Shape{7, 6, 3}, backend.Shape{7, 6, 3}, 0},
		{nn.Activate{}, backend.Shape{7}, backend.Shape{7}, 0},
		{nn.Maxout{}, backend.Shape{7, 6, 4}, backend.Shape{7, 6, 2}, 0},
		{nn.Maxout{Pieces: 3}, backend.Shape{12}, backend.Shape{4}, 0},
		{nn.Dropout{Rate: 0.5}, backend.Shape{7}, backend.Shape{7}, 0},
		{nn.BatchNorm{}, backend.Shape{7, 6, 3}, backend.Shape{7, 6, 3}, 6},
		{nn.BatchNorm{}, backend.Shape{7}, backend.Shape{7}, 14},
		{nn.Pad{Padding: nn.Padding{Top: 1, Bottom: 2, Left: 3, Right: 4}}, backend.Shape{7, 6, 3}, backend.Shape{10, 13, 3}, 0},
		{nn.Pad{Padding: nn.Padding{Top: 6, Mode: backend.PadReflect}}, backend.Shape{7, 6, 3}, backend.Shape{13, 6, 3}, 0},
		{nn.Resize{Size: nn.Size{H: 14, W: 5}, Mode: backend.Bilinear}, backend.Shape{7, 6, 3}, backend.Shape{14, 5, 3}, 0},
		{nn.Residual{Body: nn.Layers{nn.Dense{Units: 5}}}, backend.Shape{5}, backend.Shape{5}, 30},
		{nn.Residual{Body: nn.Layers{nn.Dense{Units: 6}}, Shortcut: nn.Layers{nn.Dense{Units: 6, NoBias: true}}}, backend.Shape{5}, backend.Shape{6}, 66},
		{nn.Sequential{Layers: nn.Layers{nn.Dense{Units: 6}, nn.Dense{Units: 2}}}, backend.Shape{5}, backend.Shape{2}, 50},
		{nn.Sequential{}, backend.Shape{5}, backend.Shape{5}, 0},
	} {
		t.Run(fmt.Sprintf("%s %+v", c.layer.Kind(), c.layer), func(t *testing.T) {
			m := model(c.in, c.layer)
			for _, training := range []bool{false, true} {
				b, err := m.Build(3, training)
				require.NoError(t, err)
				assert.Equal(t, append(backend.Shape{3}, c.out...), b.Layers[0].Output.Shape())
			}
			n, err := m.ParameterCount()
			require.NoError(t, err)
			assert.Equal(t, c.parameters, n)
			outputs, err := m.Outputs()
			require.NoError(t, err)
			assert.Equal(t, c.out.Elements(), outputs)
		})
	}
}

// Same keeps ⌈size/stride⌉ pixels, whatever kernel and dilation.
func TestSamePadding(t *testing.T) {
	for n := 1; n <= 9; n++ {
		for kernel := 1; kernel <= 6; kernel++ {
			for stride := 1; stride <= 4; stride++ {
				for dilation := 1; dilation <= 3; dilation++ {
					m := model(backend.Shape{n, n, 1}, nn.Conv2D{Filters: 1, Kernel: nn.Square(kernel), Stride: nn.Square(stride), Dilation: nn.Square(dilation), Padding: nn.Same})
					outputs, err := m.Outputs()
					want := (n + stride - 1) / stride
					require.NoError(t, err)
					require.Equal(t, want*want, outputs, "size %d, kernel %d, stride %d, dilation %d", n, kernel, stride, dilation)
				}
			}
		}
	}
}

// Layers of ones over short rows, worked by hand.
func TestLayerValues(t *testing.T) {
	row := nn.Size{H: 1, W: 3}
	conv := func(kernel nn.Size, p nn.Padding) nn.Layer {
		return nn.Conv2D{Filters: 1, Kernel: kernel, Padding: p}
	}
	for _, c := range []struct {
		name  string
		layer nn.Layer
		shape backend.Shape
		in    []float32
		out   []float32
	}{
		{"valid", conv(row, nn.Padding{}), backend.Shape{1, 4, 1}, []float32{1, 2, 3, 4}, []float32{6, 9}},
		{"same", conv(row, nn.Same), backend.Shape{1, 4, 1}, []float32{1, 2, 3, 4}, []float32{3, 6, 9, 7}},
		{"same, even kernel: the odd pixel is on the right", conv(nn.Size{H: 1, W: 2}, nn.Same), backend.Shape{1, 3, 1}, []float32{1, 2, 3}, []float32{3, 5, 3}},
		{"same, even kernel: the odd pixel is at the bottom", conv(nn.Size{H: 2, W: 1}, nn.Same), backend.Shape{3, 1, 1}, []float32{1, 2, 3}, []float32{3, 5, 3}},
		{"same, stride 2", nn.Conv2D{Filters: 1, Kernel: row, Stride: nn.Square(2), Padding: nn.Same}, backend.Shape{1, 5, 1}, []float32{1, 2, 3, 4, 5}, []float32{3, 9, 9}},
		{"same, stride 2, even size: nothing on the left", nn.Conv2D{Filters: 1, Kernel: row, Stride: nn.Square(2), Padding: nn.Same}, backend.Shape{1, 4, 1}, []float32{1, 2, 3, 4}, []float32{6, 7}},
		{"reflect", conv(row, nn.Padding{Same: true, Mode: backend.PadReflect}), backend.Shape{1, 3, 1}, []float32{1, 2, 4}, []float32{5, 7, 8}},
		{"edge", conv(row, nn.Padding{Same: true, Mode: backend.PadEdge}), backend.Shape{1, 3, 1}, []float32{1, 2, 4}, []float32{4, 7, 10}},
		{"asymmetric edge", conv(row, nn.Padding{Right: 2, Mode: backend.PadEdge}), backend.Shape{1, 3, 1}, []float32{1, 2, 4}, []float32{7, 10, 12}},
		{"depthwise keeps channels apart", nn.Conv2D{Filters: 2, Kernel: nn.Size{H: 1, W: 2}, Groups: 2}, backend.Shape{1, 2, 2}, []float32{1, 10, 2, 20}, []float32{3, 30}},
		{"activation", nn.Conv2D{Filters: 1, Kernel: nn.Square(1), Activation: nn.LeakyReLU}, backend.Shape{1, 2, 1}, []float32{-1, 2}, []float32{-0.1, 2}},
		{"dense", nn.Dense{Units: 2, Activation: nn.ReLU}, backend.Shape{3}, []float32{1, 2, -4}, []float32{0, 0}},
		{"maxpool, padding never wins", nn.MaxPool2D{Kernel: nn.Size{H: 1, W: 3}, Stride: nn.Square(1), Padding: nn.Same}, backend.Shape{1, 3, 1}, []float32{-3, -2, -1}, []float32{-2, -1, -1}},
		{"avgpool counts real pixels", nn.AvgPool2D{Kernel: nn.Size{H: 1, W: 3}, Stride: nn.Square(1), Padding: nn.Same}, backend.Shape{1, 3, 1}, []float32{1, 3, 8}, []float32{2, 4, 5.5}},
		{"avgpool counts padding if asked", nn.AvgPool2D{Kernel: nn.Size{H: 1, W: 3}, Stride: nn.Square(1), Padding: nn.Same, CountPadding: true}, backend.Shape{1, 3, 1}, []float32{3, 3, 9}, []float32{2, 5, 4}},
		{"globalavgpool", nn.GlobalAvgPool2D{}, backend.Shape{2, 1, 2}, []float32{1, 10, 3, 20}, []float32{2, 15}},
		{"globalmaxpool", nn.GlobalMaxPool2D{}, backend.Shape{2, 1, 2}, []float32{1, 20, 3, 10}, []float32{3, 20}},
		{"maxout", nn.Maxout{}, backend.Shape{4}, []float32{1, 2, -3, -4}, []float32{2, -3}},
		{"dropout predicts the identity", nn.Dropout{Rate: 0.9}, backend.Shape{3}, []float32{1, 2, 3}, []float32{1, 2, 3}},
		{"batchnorm predicts with its running averages, 0 and 1", nn.BatchNorm{Epsilon: 3}, backend.Shape{2}, []float32{1, -2}, []float32{0.5, -1}},
		{"pad", nn.Pad{Padding: nn.Padding{Left: 1}}, backend.Shape{1, 2, 1}, []float32{1, 2}, []float32{0, 1, 2}},
		{"resize", nn.Resize{Size: nn.Size{H: 1, W: 4}}, backend.Shape{1, 2, 1}, []float32{1, 2}, []float32{1, 1, 2, 2}},
		{"residual adds its input", nn.Residual{Body: nn.Layers{nn.Dense{Units: 2}}}, backend.Shape{2}, []float32{1, 2}, []float32{4, 5}},
		{"residual adds its shortcut, then activates", nn.Residual{Body: nn.Layers{nn.Dense{Units: 1}}, Shortcut: nn.Layers{nn.Maxout{}}, Activation: nn.ReLU}, backend.Shape{2}, []float32{1, -3}, []float32{0}},
	} {
		for _, name := range backends {
			t.Run(c.name+" on "+name, func(t *testing.T) {
				// The numbers are small, so that only 0.1 and the root are rounded, once each.
				assert.InDeltaSlice(t, c.out, apply(t, open(t, name), model(c.shape, c.layer), c.in), 1e-6)
			})
		}
	}
}

func names(b *nn.Built) []string {
	var names []string
	for _, p := range b.Parameters {
		names = append(names, p.Name)
	}
	for _, s := range b.States {
		names = append(names, s.Name)
	}
	return names
}

func TestNames(t *testing.T) {
	dense := nn.Dense{Units: 2, NoBias: true}
	named := func(name string) nn.Layer { return nn.Dense{Name: name, Units: 2, NoBias: true} }
	for _, c := range []struct {
		what   string
		layers nn.Layers
		want   []string
	}{
		{"kind and number", nn.Layers{dense, nn.Dropout{}, dense}, []string{"dense1.weight", "dense2.weight"}},
		{"own names do not count", nn.Layers{dense, named("a"), dense}, []string{"dense1.weight", "a.weight", "dense2.weight"}},
		{"bias", nn.Layers{nn.Dense{Units: 2}}, []string{"dense1.weight", "dense1.bias"}},
		{"batch normalisation", nn.Layers{nn.BatchNorm{}}, []string{"batchnorm1.gamma", "batchnorm1.beta", "batchnorm1.running_mean", "batchnorm1.running_var"}},
		{"nested", nn.Layers{dense, nn.Residual{Body: nn.Layers{dense, dense}, Shortcut: nn.Layers{dense}}, dense},
			[]string{"dense1.weight", "residual1.dense1.weight", "residual1.dense2.weight", "residual1.shortcut.dense1.weight", "dense2.weight"}},
		{"nested, named", nn.Layers{nn.Residual{Name: "r", Body: nn.Layers{named("a")}}, nn.Sequential{Name: "s", Layers: nn.Layers{dense}}}, []string{"r.a.weight", "s.dense1.weight"}},
		{"a branch's name in another place", nn.Layers{nn.Residual{Name: "shortcut", Body: nn.Layers{dense}}}, []string{"shortcut.dense1.weight"}},
		{"shared layer", nn.Layers{named("a"), dense, named("a")}, []string{"a.weight", "dense1.weight"}},
		{"shared block", nn.Layers{nn.Residual{Name: "r", Body: nn.Layers{dense, named("a")}}, dense, nn.Residual{Name: "r", Body: nn.Layers{dense, named("a")}}},
			[]string{"r.dense1.weight", "r.a.weight", "dense1.weight"}},
		{"one name in two places", nn.Layers{nn.Sequential{Layers: nn.Layers{named("a")}}, nn.Sequential{Layers: nn.Layers{named("a")}}}, []string{"sequential1.a.weight", "sequential2.a.weight"}},
		{"pointers", nn.Layers{&dense, &nn.Dense{Name: "a", Units: 2, NoBias: true}}, []string{"dense1.weight", "a.weight"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			for _, training := range []bool{false, true} {
				b, err := (&nn.Model{Name: "m", Input: backend.Shape{2}, Layers: c.layers}).Build(2, training)
				require.NoError(t, err)
				assert.Equal(t, c.want, names(b))
			}
		})
	}
}

func TestBuiltLayers(t *testing.T) {
	m := model(backend.Shape{4, 4, 2},
		nn.Residual{Body: nn.Layers{nn.Conv2D{Filters: 2, Kernel: nn.Square(1), Name: "c"}, nn.BatchNorm{}}, Shortcut: nn.Layers{nn.Conv2D{Filters: 2, Kernel: nn.Square(1)}}},
		nn.Sequential{Name: "s", Layers: nn.Layers{nn.Conv2D{Name: "c", Filters: 2, Kernel: nn.Square(1)}, nn.Conv2D{Name: "c", Filters: 2, Kernel: nn.Square(1)}}})
	b, err := m.Build(5, false)
	require.NoError(t, err)
	type row struct {
		name, kind        string
		depth, parameters int
	}
	var rows []row
	for _, l := range b.Layers {
		rows = append(rows, row{l.Name, l.Kind, l.Depth, l.Parameters})
		assert.Equal(t, 5, l.Output.Shape()[0], l.Name)
	}
	assert.Equal(t, []row{
		{"residual1", "residual", 0, 0}, {"residual1.c", "conv", 1, 6}, {"residual1.batchnorm1", "batchnorm", 1, 4}, {"residual1.shortcut.conv1", "conv", 1, 6},
		{"s", "sequential", 0, 0}, {"s.c", "conv", 1, 6}, {"s.c", "conv", 1, 0}, {"flatten1", "flatten", 0, 0},
	}, rows)
}

// A shared layer is one function: dense(dense(x)) with the same weights.
func TestSharedLayer(t *testing.T) {
	for _, name := range backends {
		d := nn.Dense{Name: "d", Units: 2}
		net, err := nn.NewNetwork(open(t, name), model(backend.Shape{2}, d, d), 1, nil)
		require.NoError(t, err)
		require.NoError(t, net.SetArrays([]nn.Array{
			{Name: "d.weight", Shape: backend.Shape{2, 2}, Data: []float32{1, 2, 3, 4}},
			{Name: "d.bias", Shape: backend.Shape{2}, Data: []float32{1, 0}},
		}))
		logits, _ := predict(t, net, 1, []float32{1, 1}) // (4, 7), then (19, 40)
		assert.Equal(t, []float32{19, 40}, logits)
	}
}

// scale is a layer of another package: y = x·factor, with a learnt factor for each
// channel, a running state, and layers inside.
type scale struct {
	Initial nn.Initializer `json:"initial"`
	Inner   nn.Layers      `json:"inner,omitempty"`
}

func (scale) Kind() string { return "scale" }

func (l scale) Build(b *nn.Builder, x *graph.Node) *graph.Node {
	s := x.Shape()
	y := b.Mul(x, b.Parameter("factor", s[len(s)-1:], l.Initial))
	b.State("seen", backend.Shape{1}, 2)
	return b.Branch("inner", l.Inner, y)
}

func init() { nn.RegisterLayer(scale{}) }

func TestCustomLayer(t *testing.T) {
	m := model(backend.Shape{3}, scale{Initial: nn.Ones, Inner: nn.Layers{nn.Dense{Units: 1}}}, scale{Initial: nn.HeNormal})
	b, err := m.Build(1, true)
	require.NoError(t, err)
	assert.Equal(t, []string{"scale1.factor", "scale1.inner.dense1.weight", "scale1.inner.dense1.bias", "scale2.factor", "scale1.seen", "scale2.seen"}, names(b))
	assert.Equal(t, nn.StateSpec{Name: "scale1.seen", Shape: backend.Shape{1}, Initial: 2}, b.States[0])
	assert.Equal(t, []float32{6}, apply(t, open(t, "reference"), model(backend.Shape{3}, m.Layers[0]), []float32{1, 2, 3}))
	for _, wrong := range []func(){
		func() { nn.RegisterLayer(nil) },
		func() { nn.RegisterLayer(&scale{}) },
		func() { nn.RegisterLayer(impostor{}) },
	} {
		assert.Panics(t, wrong)
	}
	assert.NotPanics(t, func() { nn.RegisterLayer(scale{}) })
}

// impostor claims a kind that is taken.
type impostor struct{}

func (impostor) Kind() string                                   { return "conv" }
func (impostor) Build(b *nn.Builder, x *graph.Node) *graph.Node { return x }

// loose is a layer made of a function.
type loose func(b *nn.Builder, x *graph.Node) *graph.Node

func (loose) Kind() string                                     { return "loose" }
func (l loose) Build(b *nn.Builder, x *graph.Node) *graph.Node { return l(b, x) }
