package reference

import (
	"testing"

	"fovea/backend"
)

// The oracle need not be fast, but training curves run on it: about 1 GFLOP/s a
// core is enough.
func BenchmarkConv2D(b *testing.B) {
	for _, c := range []struct {
		name string
		g    geometry
	}{
		{"early 32x32x3-64", geometry{4, 32, 32, 3, 64, 3, 3, 1, around(1)}},
		{"middle 8x8x256-256", geometry{4, 8, 8, 256, 256, 3, 3, 1, around(1)}},
		{"late 2x2x512-512", geometry{4, 2, 2, 512, 512, 3, 3, 1, around(1)}},
	} {
		r := newRig(b)
		x, w, y := c.g.views(r)
		dx, dw := r.out(x.Shape...), r.out(w.Shape...)
		for _, op := range []backend.Op{
			&backend.Conv2D{Y: y, X: x, W: w, Window: c.g.window, Groups: c.g.groups},
			&backend.Conv2DInputGrad{DX: dx, DY: y, W: w, Window: c.g.window, Groups: c.g.groups},
			&backend.Conv2DFilterGrad{DW: dw, DY: y, X: x, Window: c.g.window, Groups: c.g.groups},
		} {
			b.Run(c.name+"/"+op.Kind(), func(b *testing.B) {
				e := r.compile(op)
				for b.Loop() {
					if err := e.Run(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(op.Cost().FLOPs)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				if err := e.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
