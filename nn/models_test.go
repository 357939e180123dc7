package nn_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/nn"
)

func TestParameterCounts(t *testing.T) {
	for _, c := range []struct {
		model *nn.Model
		want  int
	}{
		{nn.LeNet5(10), 61706},
		{nn.LeNet5Tanh(10), 61706},
		{nn.LeNet5(3), 61706 - 7*85},
		{nn.VGG(10), 221354},
		{nn.MLP(backend.Shape{28, 28, 1}, []int{128, 64}, 10), 785*128 + 129*64 + 65*10},
		{nn.MLP(backend.Shape{5}, nil, 2), 12},
	} {
		n, err := c.model.ParameterCount()
		require.NoError(t, err)
		assert.Equal(t, c.want, n, c.model.Name)
	}
	assert.Equal(t, []string{"lenet5", "lenet5-tanh", "mlp", "vgg"}, nn.ModelNames())
}

func TestCost(t *testing.T) {
	want := int64(0)
	for _, flops := range []int64{
		28 * 28 * 6 * (2*25 + 2),     // conv1: 25 multiply-adds, bias and activation
		14 * 14 * 6 * 4,              // maxpool1: comparisons
		10 * 10 * 16 * (2*25*6 + 2),  // conv2
		5 * 5 * 16 * 4,               // maxpool2
		120*(2*400+2) + 84*(2*120+2), // dense1, dense2
		10*(2*84+1) + 5*10,           // dense3, softmax
	} {
		want += flops
	}
	for _, batch := range []int64{1, 64} {
		c, err := nn.LeNet5(10).Cost(int(batch))
		require.NoError(t, err)
		assert.Equal(t, batch*want, c.FLOPs)
		assert.Positive(t, c.Bytes)
	}
}

// plain is an image or a row, for the network worked by hand.
type plain struct {
	h, w, c int
	v       []float64
}

func (x plain) at(h, w, c int) float64 {
	if h < 0 || h >= x.h || w < 0 || w >= x.w {
		return 0
	}
	return x.v[(h*x.w+w)*x.c+c]
}

func conv(x plain, weight, bias nn.Array, pad int) plain {
	o, k := weight.Shape[0], weight.Shape[1]
	y := plain{h: x.h + 2*pad - k + 1, w: x.w + 2*pad - k + 1, c: o}
	for h := range y.h {
		for w := range y.w {
			for f := range o {
				sum := float64(bias.Data[f])
				for i := range k {
					for j := range k {
						for c := range x.c {
							sum += x.at(h+i-pad, w+j-pad, c) * float64(weight.Data[((f*k+i)*k+j)*x.c+c])
						}
					}
				}
				y.v = append(y.v, sum)
			}
		}
	}
	return y
}

func pool(x plain, reduce func(a, b, c, d float64) float64) plain {
	y := plain{h: x.h / 2, w: x.w / 2, c: x.c}
	for h := range y.h {
		for w := range y.w {
			for c := range y.c {
				y.v = append(y.v, reduce(x.at(2*h, 2*w, c), x.at(2*h, 2*w+1, c), x.at(2*h+1, 2*w, c), x.at(2*h+1, 2*w+1, c)))
			}
		}
	}
	return y
}

func dense(x plain, weight, bias nn.Array) plain {
	y := plain{h: 1, w: 1, c: weight.Shape[0]}
	for u := range y.c {
		sum := float64(bias.Data[u])
		for i, v := range x.v {
			sum += v * float64(weight.Data[u*len(x.v)+i])
		}
		y.v = append(y.v, sum)
	}
	return y
}

func each(x plain, f func(float64) float64) plain {
	for i, v := range x.v {
		x.v[i] = f(v)
	}
	return x
}

// LeNet-5 on the reference is what plain loops make of its parameters.
func TestLeNet5ByHand(t *testing.T) {
	largest := func(a, b, c, d float64) float64 { return math.Max(math.Max(a, b), math.Max(c, d)) }
	mean := func(a, b, c, d float64) float64 { return (a + b + c + d) / 4 }
	relu := func(x float64) float64 { return math.Max(x, 0) }
	for _, c := range []struct {
		model  *nn.Model
		reduce func(a, b, c, d float64) float64
		sigma  func(float64) float64
	}{{nn.LeNet5(10), largest, relu}, {nn.LeNet5Tanh(10), mean, math.Tanh}} {
		net, err := nn.NewNetwork(open(t, "reference"), fanIn(c.model), 5, nil)
		require.NoError(t, err)
		p, err := net.Arrays()
		require.NoError(t, err)
		input := ramp(28 * 28)
		x := plain{h: 28, w: 28, c: 1}
		for _, v := range input {
			x.v = append(x.v, float64(v))
		}
		x = pool(each(conv(x, p[0], p[1], 2), c.sigma), c.reduce)
		x = pool(each(conv(x, p[2], p[3], 0), c.sigma), c.reduce)
		x = each(dense(x, p[4], p[5]), c.sigma)
		x = each(dense(x, p[6], p[7]), c.sigma)
		x = dense(x, p[8], p[9])
		sum := 0.0
		for _, v := range x.v {
			sum += math.Exp(v)
		}

		predictor, err := net.NewPredictor(1)
		require.NoError(t, err)
		require.NoError(t, predictor.Run(context.Background(), host(input, 1, 28, 28, 1)))
		logits := tensor.New(tensor.WithShape(1, 10), tensor.Of(tensor.Float64))
		require.NoError(t, predictor.Logits(logits))
		prediction := tensor.New(tensor.WithShape(1, 10), tensor.Of(tensor.Float64))
		require.NoError(t, predictor.Prediction(prediction))
		// The values are below 1, the sums have at most 400 terms and run in another order:
		// five layers err by less than 5·400·2⁻⁵³.
		for i := range 10 {
			assert.InDelta(t, x.v[i], logits.Float64s()[i], 5*400*0x1p-53)
			assert.InDelta(t, math.Exp(x.v[i])/sum, prediction.Float64s()[i], 5*400*0x1p-53)
		}
	}
}

func TestSummary(t *testing.T) {
	d := nn.Dense{Name: "d", Units: 2}
	m := &nn.Model{Name: "shared", Input: backend.Shape{2}, Layers: nn.Layers{d, nn.Sequential{Layers: nn.Layers{nn.Dense{Name: "é", Units: 400, NoBias: true}, nn.Dense{Units: 2}}}, d}, Output: nn.Values}
	assert.Equal(t, `shared
layer                 kind        output  parameters
input                             [2]
d                     dense       [2]              6
sequential1           sequential  [2]              0
  sequential1.é       dense       [400]          800
  sequential1.dense1  dense       [2]            802
d                     dense       [2]              0
1,608 parameters, 3,222 FLOPs for one example
`, m.Summary())
}
