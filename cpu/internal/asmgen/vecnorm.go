package main

// normalization writes the loops of batch normalization. All numbers of a channel are repeated, so that their slices are as long as those of the elements.
func (s *isa) normalization() {
	c := s.c
	s.elements("deviations", "func(dst, x, shift []float32)", "dst[i] = (x[i] + shift[i])².", []string{"dst", "x", "shift"}, func() func([]vecOp) []vecOp {
		return func(in []vecOp) []vecOp {
			c.VADDPS(in[2], in[1], in[1])
			c.VMULPS(in[1], in[1], in[1])
			return in[1:2]
		}
	})
	s.elements("normalize", "func(dst, x, shift, factor, offset []float32)", "dst[i] = (x[i] + shift[i])·factor[i] + offset[i].",
		[]string{"dst", "x", "shift", "factor", "offset"}, func() func([]vecOp) []vecOp {
			return func(in []vecOp) []vecOp {
				c.VADDPS(in[2], in[1], in[1])
				c.VFMADD213PS(in[4], in[3], in[1])
				return in[1:2]
			}
		})
	s.elements("normalizedTimes", "func(dst, x, shift, factor, dy []float32)", "dst[i] = (x[i] + shift[i])·factor[i]·dy[i].",
		[]string{"dst", "x", "shift", "factor", "dy"}, func() func([]vecOp) []vecOp {
			return func(in []vecOp) []vecOp {
				c.VADDPS(in[2], in[1], in[1])
				c.VMULPS(in[3], in[1], in[1])
				c.VMULPS(in[4], in[1], in[1])
				return in[1:2]
			}
		})
	s.elements("normalizeGrad", "func(dx, dy, x, shift, factor, a, b, gamma []float32)", "dx[i] = ((x[i] + shift[i])·factor[i]·a[i] + dy[i] + b[i])·gamma[i].",
		[]string{"dx", "dy", "x", "shift", "factor", "a", "b", "gamma"}, func() func([]vecOp) []vecOp {
			return func(in []vecOp) []vecOp {
				dy, x := in[1], in[2]
				c.VADDPS(in[3], x, x)
				c.VMULPS(in[4], x, x)
				c.VFMADD213PS(dy, in[5], x)
				c.VADDPS(in[6], x, x)
				c.VMULPS(in[7], x, x)
				return []vecOp{x}
			}
		})
}
