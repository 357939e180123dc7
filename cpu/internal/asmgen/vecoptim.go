package main

func (s *isa) optimizers() {
	c := s.c
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
