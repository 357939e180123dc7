package bench

import (
	_ "embed"
	"encoding/csv"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// layer is a convolution of square images with square filters.
type layer struct {
	name           string
	batch          int
	size, in, out  int
	kernel, stride int
	padding        int // on every side
}

// layersText has the layers of LeNet-5 and of the VGG at batch 64, and those of
// ResNet-50 that differ in kind, at batch 8. compare measures the same ones
// elsewhere.
//
//go:embed layers.tsv
var layersText string

func layers(b *testing.B) (all []layer) {
	rows := csv.NewReader(strings.NewReader(layersText))
	rows.Comma = '\t'
	records, err := rows.ReadAll()
	require.NoError(b, err)
	require.Equal(b, []string{"name", "batch", "size", "in", "out", "kernel", "stride", "padding"}, records[0])
	for _, record := range records[1:] {
		l := layer{name: record[0]}
		for i, field := range []*int{&l.batch, &l.size, &l.in, &l.out, &l.kernel, &l.stride, &l.padding} {
			*field, err = strconv.Atoi(record[i+1])
			require.NoError(b, err)
		}
		all = append(all, l)
	}
	return all
}

// BenchmarkConv2D measures a convolution with bias and ReLU, the gradient of its
// input through the ReLU before it, and the gradient of filters and bias.
func BenchmarkConv2D(b *testing.B) {
	for _, l := range layers(b) {
		b.Run(l.name+"/forward", func(b *testing.B) {
			p, x, w, bias, y := l.operands(b)
			p.Add("", &backend.Conv2D{Y: y, X: x, W: w, B: bias, Window: l.window(), Groups: 1, Activation: backend.Activation{Func: backend.ReLU}})
			measureOp(b, p.Program)
		})
		b.Run(l.name+"/input-gradient", func(b *testing.B) {
			p, x, w, _, y := l.operands(b)
			p.Add("", &backend.Conv2DInputGrad{DX: x, DY: y, W: w, Window: l.window(), Groups: 1,
				GradEpilogue: backend.GradEpilogue{Output: p.float("output", x.Shape...), Derivative: backend.Activation{Func: backend.ReLU}}})
			measureOp(b, p.Program)
		})
		b.Run(l.name+"/filter-gradient", func(b *testing.B) {
			p, x, w, bias, y := l.operands(b)
			p.Add("", &backend.Conv2DFilterGrad{DW: w, DB: bias, DY: y, X: x, Window: l.window(), Groups: 1})
			measureOp(b, p.Program)
		})
	}
}

func (l layer) window() backend.Window {
	return backend.Window{StrideH: l.stride, StrideW: l.stride, DilationH: 1, DilationW: 1,
		PadTop: l.padding, PadBottom: l.padding, PadLeft: l.padding, PadRight: l.padding}
}

func (l layer) operands(b *testing.B) (p program, x, w, bias, y backend.View) {
	p = newProgram()
	x = p.float("x", l.batch, l.size, l.size, l.in)
	w = p.float("w", l.out, l.kernel, l.kernel, l.in)
	bias = p.float("bias", l.out)
	shape, err := backend.Conv2DShape(x.Shape, w.Shape, l.window(), 1)
	require.NoError(b, err)
	return p, x, w, bias, p.float("y", shape...)
}
