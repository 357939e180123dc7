package main

func (s *isa) optimizers() {
	c := s.c
	s.elements("sgd", "func(w, g []float32, rate, decay float32)", "w −= rate·(g + decay·w).", []string{"w", "g"}, func() func([]vecOp) []vecOp {
		rate, decay := s.scalar("rate"), s.scalar("decay")
		return func(in []vecOp) []vecOp {
			w, g := in[0], in[1]
			c.VFMADD231PS(decay, w, g)
			c.VFNMADD231PS(rate, g, w)
			return []vecOp{w}
		}
	})
	// AdaGrad is RMSProp with other factors.
	s.elements("rmsProp", "func(w, s, g []float32, rate, decay, keep, rest, epsilon float32)",
		"g' = g + decay·w, s = keep·s + rest·g'², w −= rate·g'/(√s + epsilon).",
		[]string{"w", "s", "g"}, func() func([]vecOp) []vecOp {
			rate, decay, keep, rest, epsilon := s.scalar("rate"), s.scalar("decay"), s.scalar("keep"), s.scalar("rest"), s.scalar("epsilon")
			return func(in []vecOp) []vecOp {
				w, sum, g := in[0], in[1], in[2]
				c.VFMADD231PS(decay, w, g)
				s.meanSquare(sum, g, keep, rest)
				below := s.vector()
				c.VSQRTPS(sum, below)
				c.VADDPS(epsilon, below, below)
				c.VMULPS(rate, g, g)
				c.VDIVPS(below, g, g)
				c.VSUBPS(g, w, w)
				return []vecOp{w, sum}
			}
		})
	s.elements("adaDelta", "func(w, s, d, g []float32, rate, decay, keep, rest, epsilon float32)",
		"g' = g + decay·w, s = keep·s + rest·g'², u = g'·√(d + epsilon)/√(s + epsilon), d = keep·d + rest·u², w −= rate·u.",
		[]string{"w", "s", "d", "g"}, func() func([]vecOp) []vecOp {
			rate, decay, keep, rest, epsilon := s.scalar("rate"), s.scalar("decay"), s.scalar("keep"), s.scalar("rest"), s.scalar("epsilon")
			return func(in []vecOp) []vecOp {
				w, sum, d, g := in[0], in[1], in[2], in[3]
				c.VFMADD231PS(decay, w, g)
				s.meanSquare(sum, g, keep, rest)
				above, below := s.vector(), s.vector()
				c.VADDPS(epsilon, d, above)
				c.VSQRTPS(above, above)
				c.VADDPS(epsilon, sum, below)
				c.VSQRTPS(below, below)
				c.VDIVPS(below, above, above)
				c.VMULPS(above, g, g)
				s.meanSquare(d, g, keep, rest)
				c.VFNMADD231PS(rate, g, w)
				return []vecOp{w, sum, d}
			}
		})
	s.elements("momentum", "func(w, v, g []float32, rate, momentum, decay, direct, velocity float32)",
		"g' = g + decay·w, v = momentum·v + g', w −= rate·(direct·g' + velocity·v).",
		[]string{"w", "v", "g"}, func() func([]vecOp) []vecOp {
			rate, momentum, decay, direct, velocity := s.scalar("rate"), s.scalar("momentum"), s.scalar("decay"), s.scalar("direct"), s.scalar("velocity")
			return func(in []vecOp) []vecOp {
				w, v, g := in[0], in[1], in[2]
				c.VFMADD231PS(decay, w, g)
				c.VFMADD213PS(g, momentum, v)
				c.VMULPS(direct, g, g)
				c.VFMADD231PS(velocity, v, g)
				c.VFNMADD231PS(rate, g, w)
				return []vecOp{w, v}
			}
		})
	s.elements("adam", "func(w, m, v, g []float32, keep, decay, beta1, rest1, beta2, rest2, rate, correction, epsilon float32)",
		"w = keep·w, g' = g + decay·w, m = beta1·m + rest1·g', v = beta2·v + rest2·g'², w −= rate·m/(√v·correction + epsilon).",
		[]string{"w", "m", "v", "g"}, func() func([]vecOp) []vecOp {
			keep, decay := s.scalar("keep"), s.scalar("decay")
			beta1, rest1 := s.scalar("beta1"), s.scalar("rest1")
			beta2, rest2 := s.scalar("beta2"), s.scalar("rest2")
			rate, correction, epsilon := s.scalar("rate"), s.scalar("correction"), s.scalar("epsilon")
			return func(in []vecOp) []vecOp {
				w, m, v, g := in[0], in[1], in[2], in[3]
				c.VMULPS(keep, w, w)
				c.VFMADD231PS(decay, w, g)
				c.VMULPS(beta1, m, m)
				c.VFMADD231PS(rest1, g, m)
				c.VMULPS(g, g, g)
				c.VMULPS(beta2, v, v)
				c.VFMADD231PS(rest2, g, v)
				c.VSQRTPS(v, g)
				c.VFMADD213PS(epsilon, correction, g)
				t := s.vector()
				c.VMULPS(rate, m, t)
				c.VDIVPS(g, t, t)
				c.VSUBPS(t, w, w)
				return []vecOp{w, m, v}
			}
		})
}

// meanSquare does sum = keep·sum + rest·x².
func (s *isa) meanSquare(sum, x, keep, rest vecOp) {
	square := s.vector()
	s.c.VMULPS(x, x, square)
	s.c.VMULPS(keep, sum, sum)
	s.c.VFMADD231PS(rest, square, sum)
}
