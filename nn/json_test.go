package nn_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/nn"
)

// everything is each layer with each of its settings.
var everything = nn.Layers{
	nn.Conv2D{
		Name: "c", Filters: 6, Kernel: nn.Size{H: 3, W: 5}, Stride: nn.Size{H: 2, W: 1}, Dilation: nn.Size{H: 1, W: 2},
		Padding: nn.Padding{Same: true, Mode: backend.PadReflect}, Groups: 3, NoBias: true, Activation: nn.LeakyReLU, Init: nn.HeUniform, BiasInit: nn.FanInUniform,
	},
	nn.Conv2D{Filters: 1, Kernel: nn.Square(1), Padding: nn.Padding{Top: 1, Bottom: 2, Left: 3, Right: 4, Mode: backend.PadEdge}},
	nn.Dense{Name: "d", Units: 4, NoBias: true, Activation: nn.ELU, Init: nn.XavierNormal, BiasInit: nn.Ones},
	nn.MaxPool2D{Kernel: nn.Square(3), Stride: nn.Square(2), Dilation: nn.Square(1), Padding: nn.Around(1)},
	nn.AvgPool2D{Kernel: nn.Square(3), Stride: nn.Square(2), Dilation: nn.Square(1), Padding: nn.Same, CountPadding: true},
	nn.GlobalAvgPool2D{}, nn.GlobalMaxPool2D{}, nn.Flatten{},
	nn.Activate{Activation: nn.Sigmoid}, nn.Maxout{Pieces: 4}, nn.Dropout{Rate: 0.25},
	nn.BatchNorm{Name: "b", Epsilon: 0.5, Momentum: 0.25},
	nn.Pad{Padding: nn.Padding{Left: 2}}, nn.Resize{Size: nn.Size{H: 4, W: 5}, Mode: backend.Area},
	nn.Residual{Name: "r", Body: nn.Layers{nn.Flatten{}}, Shortcut: nn.Layers{nn.Residual{Body: nn.Layers{nn.Flatten{}}}}, Activation: nn.Tanh},
	nn.Sequential{Name: "s", Layers: nn.Layers{nn.Dense{Units: 1}}},
	scale{Initial: nn.Ones, Inner: nn.Layers{nn.Flatten{}}},
}

func TestLayersJSON(t *testing.T) {
	for _, l := range everything {
		text, err := json.Marshal(nn.Layers{l})
		require.NoError(t, err)
		var back nn.Layers
		require.NoError(t, json.Unmarshal(text, &back), "%s", text)
		assert.Equal(t, nn.Layers{l}, back, "%s", text)
		// The settings of the zero value are left out, and its own text is read back.
		text, err = json.Marshal(nn.Layers{back[0]})
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, nn.Layers{l}, back)
	}
	text, err := json.Marshal(everything[:1])
	require.NoError(t, err)
	assert.JSONEq(t, `[{"conv": {"name": "c", "filters": 6, "kernel": {"h": 3, "w": 5}, "stride": {"h": 2, "w": 1}, "dilation": {"h": 1, "w": 2},
		"padding": {"same": true, "mode": "reflect"}, "groups": 3, "no_bias": true, "activation": {"func": "LeakyReLU", "alpha": 0.1},
		"init": "he-uniform", "bias_init": "fan-in-uniform"}}]`, string(text))
	text, err = json.Marshal(nn.Layers{nn.MaxPool2D{}, nn.Flatten{}, &nn.Dense{Units: 3}})
	require.NoError(t, err)
	assert.Equal(t, `[{"maxpool":{}},{"flatten":{}},{"dense":{"units":3}}]`, string(text))
}

func TestModelsJSON(t *testing.T) {
	models := []*nn.Model{{Name: "all", Input: backend.Shape{4}, Layers: everything, Output: nn.IndependentProbabilities}}
	for _, name := range nn.ModelNames() {
		m, err := nn.NewModel(name, 7)
		require.NoError(t, err)
		assert.Equal(t, name, m.Name)
		models = append(models, m)
	}
	for _, m := range models {
		text, err := json.Marshal(m)
		require.NoError(t, err)
		var back nn.Model
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, m, &back)
	}
}

func TestEnumerationsJSON(t *testing.T) {
	for _, v := range []struct {
		value any
		text  string
	}{
		{nn.SoftmaxCrossEntropy, `{"kind":"SoftmaxCrossEntropy"}`},
		{nn.MultiClassHinge, `{"kind":"MultiClassHinge"}`},
		{nn.SGD(0.5), `{"rule":"SGD","learning_rate":0.5}`},
		{nn.Nesterov(0.5, 0.9), `{"rule":"Momentum","learning_rate":0.5,"momentum":0.9,"nesterov":true}`},
		{nn.Activate{Activation: nn.ELU}, `{"activation":{"func":"ELU","alpha":1}}`},
		{nn.Resize{Size: nn.Square(2), Mode: backend.Bilinear}, `{"size":{"h":2,"w":2},"mode":"bilinear"}`},
	} {
		text, err := json.Marshal(v.value)
		require.NoError(t, err)
		assert.JSONEq(t, v.text, string(text))
	}
	_, err := json.Marshal(nn.Layers{nn.Activate{Activation: nn.Activation{Func: 99}}})
	assert.ErrorContains(t, err, "Func(99) has no name")
}

func TestMarshalLayersErrors(t *testing.T) {
	var none *nn.Dense
	for _, c := range []struct {
		layers nn.Layers
		want   string
	}{
		{nn.Layers{nn.Flatten{}, nil}, "nn: layer 1 is nil"},
		{nn.Layers{none}, "nn: layer 0 is nil"},
		{nn.Layers{loose(nil)}, `nn: layer 0 is a nn_test.loose, which is not registered as "loose"`},
		{nn.Layers{impostor{}}, `nn: layer 0 is a nn_test.impostor, which is not registered as "conv"`},
	} {
		_, err := json.Marshal(c.layers)
		assert.ErrorContains(t, err, c.want)
	}
}

func TestUnmarshalErrors(t *testing.T) {
	for _, c := range []struct{ layers, want string }{
		{`{}`, `nn: layers: json: cannot unmarshal object`},
		{`[3]`, `nn: layers: json: cannot unmarshal number`},
		{`[null]`, `nn: layer 0: an object of 0 entries, expected one, named after its kind`},
		{`[{"flatten":{}}, {}]`, `nn: layer 1: an object of 0 entries`},
		{`[{"flatten":{}, "dense":{}}]`, `nn: layer 0: an object of 2 entries`},
		{`[{"convolution":{}}]`, `nn: layer 0: unknown kind "convolution", expected one of activation, avgpool, batchnorm, conv, dense, dropout, flatten, globalavgpool, globalmaxpool, maxout, maxpool, pad, residual, resize, scale, sequential`},
		{`[{"dense":{"unit":3}}]`, `nn: layer 0 (dense): json: unknown field "unit"`},
		{`[{"dense":[]}]`, `nn: layer 0 (dense): json: cannot unmarshal array`},
		{`[{"dense":{"units":1.5}}]`, `nn: layer 0 (dense): json: cannot unmarshal number 1.5`},
		{`[{"dense":{"units":1e300}}]`, `nn: layer 0 (dense): json: cannot unmarshal number`},
		{`[{"dense":{"units":1,"activation":{"func":"relu"}}}]`, `nn: layer 0 (dense): backend: unknown backend.Func "relu", expected one of Identity, Sigmoid`},
		{`[{"dense":{"units":1,"activation":{"func":3}}}]`, `nn: layer 0 (dense): json: cannot unmarshal number`},
		{`[{"pad":{"padding":{"mode":"wrap"}}}]`, `unknown backend.PadMode "wrap", expected one of zeros, reflect, edge`},
		{`[{"resize":{"mode":"cubic"}}]`, `unknown backend.ResizeMode "cubic", expected one of nearest, bilinear, area`},
		{`[{"residual":{"body":[{"flatten":{}},{"dense":{"unit":3}}]}}]`, `nn: layer 0 (residual): layer 1 (dense): json: unknown field "unit"`},
		{nested(50), `nn: layers are nested more than 128 objects and lists deep`},
	} {
		var layers nn.Layers
		err := json.Unmarshal([]byte(c.layers), &layers)
		assert.ErrorContains(t, err, c.want, c.layers)
		assert.Nil(t, layers)
	}
	for _, c := range []struct{ model, want string }{
		{`{"name":"m","layer":[]}`, `nn: model: json: unknown field "layer"`},
		{`[]`, `nn: model: json: cannot unmarshal array`},
		{`{"input":[1.5]}`, `nn: model: json: cannot unmarshal number 1.5`},
		{`{"layers":[{"dense":{"unit":3}}]}`, `nn: model: layer 0 (dense): json: unknown field "unit"`},
	} {
		assert.ErrorContains(t, json.Unmarshal([]byte(c.model), &nn.Model{}), c.want, c.model)
	}
}

// nested is the JSON of residuals inside one another.
func nested(depth int) string {
	return strings.Repeat(`[{"residual":{"body":`, depth) + `[]` + strings.Repeat(`}}]`, depth)
}

// What can be built can be read back, down to the deepest nesting; quotes and escapes
// do not count as nesting.
func TestDeepestNesting(t *testing.T) {
	layers := nn.Layers{nn.Dense{Units: 2, Activation: nn.ReLU}}
	for range 31 {
		layers = nn.Layers{nn.Residual{Name: `"[{\`, Body: layers}}
	}
	m := &nn.Model{Name: "deep", Input: backend.Shape{2}, Layers: layers}
	_, err := m.Build(1, false)
	require.NoError(t, err)
	text, err := json.Marshal(m)
	require.NoError(t, err)
	var back nn.Model
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, m, &back)
}

// Hostile descriptions end soon, with an error.
func TestHostileModels(t *testing.T) {
	for name, text := range map[string]string{
		"nested beyond what package json takes": nested(4000),
		"nested":                                nested(3000),
		"brackets":                              strings.Repeat("[", 1<<20),
		"a long list of mistakes":               "[" + strings.Repeat(`{"dense":{}},`, 1<<16) + `{"dense":{}}]`,
	} {
		var m nn.Model
		err := json.Unmarshal(fmt.Appendf(nil, `{"input":[2],"layers":%s}`, text), &m)
		if err == nil {
			_, err = m.Build(1, false)
		}
		assert.Error(t, err, name)
	}
	// Many layers are no mistake, and take time in proportion.
	m := &nn.Model{Input: backend.Shape{2}}
	for range 1 << 14 {
		m.Layers = append(m.Layers, nn.Dense{Units: 2})
	}
	_, err := m.Build(1, false)
	require.NoError(t, err)
}

// Whatever the text, reading it ends with an error or with layers whose own text
// gives the same again.
func FuzzLayersJSON(f *testing.F) {
	text, err := json.Marshal(everything)
	require.NoError(f, err)
	f.Add(text)
	for _, l := range everything {
		text, err := json.Marshal(nn.Layers{l})
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(nested(50)))
	f.Add([]byte(`[null,{"dense":null}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var layers, back nn.Layers
		if json.Unmarshal(data, &layers) != nil {
			return
		}
		text, err := json.Marshal(layers)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &back))
		again, err := json.Marshal(back)
		require.NoError(t, err)
		require.Equal(t, string(text), string(again))
	})
}

// Whatever the text, reading and building the model ends with an error or a graph.
func FuzzModelJSON(f *testing.F) {
	for _, name := range nn.ModelNames() {
		m, err := nn.NewModel(name, 10)
		require.NoError(f, err)
		text, err := json.Marshal(m)
		require.NoError(f, err)
		f.Add(text)
	}
	for _, l := range everything {
		for _, input := range []backend.Shape{{12}, {9, 9, 6}, {1 << 15, 1 << 15, 1}} {
			text, err := json.Marshal(&nn.Model{Input: input, Layers: nn.Layers{l, nn.Flatten{}, nn.Dense{Units: 2}}})
			require.NoError(f, err)
			f.Add(text)
		}
	}
	f.Add([]byte(`{"input":[8,8,1],"layers":[{"conv":{"filters":1099511627776,"kernel":{"h":1073741824,"w":9223372036854775807}}}]}`))
	f.Add([]byte(`{"input":[8,8,1],"layers":[{"maxpool":{"kernel":{"h":4611686018427387905,"w":2},"dilation":{"h":4,"w":4},"stride":{"h":1,"w":1}}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m nn.Model
		if json.Unmarshal(data, &m) != nil {
			return
		}
		if b, err := m.Build(1, false); err == nil {
			require.NotEmpty(t, b.Layers)
			_, err := m.Outputs()
			require.NoError(t, err)
		}
		_, _ = m.Build(2, true)
	})
}
