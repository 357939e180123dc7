package bench

import (
	"fmt"
	"testing"

	"fovea/backend"
)

// BenchmarkMatMul measures products C = op(A)·op(B): squares, the three products of a
// dense layer (forward, gradient of its input, gradient of its weights), and the
// narrow one that a first convolution is as a matrix.
func BenchmarkMatMul(b *testing.B) {
	for _, c := range []struct {
		m, n, k                int
		transposeA, transposeB bool
	}{
		{m: 1024, n: 1024, k: 1024},
		{m: 512, n: 512, k: 512},
		{m: 256, n: 256, k: 256},
		{m: 64, n: 120, k: 400, transposeB: true},
		{m: 64, n: 400, k: 120},
		{m: 120, n: 400, k: 64, transposeA: true},
		{m: 1, n: 120, k: 400, transposeB: true},
		{m: 64, n: 2048, k: 2048, transposeB: true},
		{m: 6, n: 50176, k: 25},
		{m: 50176, n: 6, k: 25, transposeB: true},
	} {
		name := fmt.Sprintf("%dx%dx%d/", c.m, c.n, c.k) + letter(c.transposeA) + letter(c.transposeB)
		b.Run(name, func(b *testing.B) {
			p := newProgram()
			p.Add("", &backend.MatMul{
				C: p.float("c", c.m, c.n), A: p.matrix("a", c.m, c.k, c.transposeA), B: p.matrix("b", c.k, c.n, c.transposeB),
				TransposeA: c.transposeA, TransposeB: c.transposeB,
			})
			measureOp(b, p.Program)
		})
	}
}

func letter(transposed bool) string {
	if transposed {
		return "t"
	}
	return "n"
}

func (p program) matrix(name string, rows, columns int, transposed bool) backend.View {
	if transposed {
		rows, columns = columns, rows
	}
	return p.float(name, rows, columns)
}
