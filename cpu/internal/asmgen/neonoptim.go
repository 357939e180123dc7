package main

// meanSquare does sum = keep·sum + rest·x², and overwrites free.
func (n *neon) meanSquare(sum, x, keep, rest, free vreg) {
	n.mul(free, x, x)
	n.mul(sum, sum, keep)
	n.mulAdd(sum, rest, free)
}

func (n *neon) optimizers() {
	n.elements("sgd", "func(w, g []float32, rate, decay float32)", "w −= rate·(g + decay·w).", []string{"w", "g"}, 4, func() func([]vreg) []vreg {
		rate, decay := n.scalar("rate"), n.scalar("decay")
		return func(in []vreg) []vreg {
			w, g := in[0], in[1]
			n.mulAdd(g, decay, w)
			n.mulSub(w, rate, g)
			return in[:1]
		}
	})
	n.elements("rmsProp", "func(w, s, g []float32, rate, decay, keep, rest, epsilon float32)",
		"g' = g + decay·w, s = keep·s + rest·g'², w −= rate·g'/(√s + epsilon).",
		[]string{"w", "s", "g"}, 2, func() func([]vreg) []vreg {
			rate, decay, keep, rest, epsilon := n.scalar("rate"), n.scalar("decay"), n.scalar("keep"), n.scalar("rest"), n.scalar("epsilon")
			return func(in []vreg) []vreg {
				w, sum, g := in[0], in[1], in[2]
				below := n.vector()
				n.mulAdd(g, decay, w)
				n.meanSquare(sum, g, keep, rest, below)
				n.sqrt(below, sum)
				n.add(below, below, epsilon)
				n.mul(g, g, rate)
				n.div(g, g, below)
				n.sub(w, w, g)
				return []vreg{w, sum}
			}
		})
	n.elements("adaDelta", "func(w, s, d, g []float32, rate, decay, keep, rest, epsilon float32)",
		"g' = g + decay·w, s = keep·s + rest·g'², u = g'·√(d + epsilon)/√(s + epsilon), d = keep·d + rest·u², w −= rate·u.",
		[]string{"w", "s", "d", "g"}, 2, func() func([]vreg) []vreg {
			rate, decay, keep, rest, epsilon := n.scalar("rate"), n.scalar("decay"), n.scalar("keep"), n.scalar("rest"), n.scalar("epsilon")
			return func(in []vreg) []vreg {
				w, sum, d, g := in[0], in[1], in[2], in[3]
				above, below := n.vector(), n.vector()
				n.mulAdd(g, decay, w)
				n.meanSquare(sum, g, keep, rest, below)
				n.add(above, d, epsilon)
				n.sqrt(above, above)
				n.add(below, sum, epsilon)
				n.sqrt(below, below)
				n.div(above, above, below)
				n.mul(g, g, above)
				n.meanSquare(d, g, keep, rest, below)
				n.mulSub(w, rate, g)
				return []vreg{w, sum, d}
			}
		})
	n.elements("momentum", "func(w, v, g []float32, rate, momentum, decay, direct, velocity float32)",
		"g' = g + decay·w, v = momentum·v + g', w −= rate·(direct·g' + velocity·v).",
		[]string{"w", "v", "g"}, 2, func() func([]vreg) []vreg {
			rate, momentum, decay, direct, velocity := n.scalar("rate"), n.scalar("momentum"), n.scalar("decay"), n.scalar("direct"), n.scalar("velocity")
			return func(in []vreg) []vreg {
				w, v, g := in[0], in[1], in[2]
				moved := n.vector()
				n.mulAdd(g, decay, w)
				n.move(moved, g)
				n.mulAdd(moved, momentum, v)
				n.mul(g, direct, g)
				n.mulAdd(g, velocity, moved)
				n.mulSub(w, rate, g)
				return []vreg{w, moved}
			}
		})
	n.elements("adam", "func(w, m, v, g []float32, keep, decay, beta1, rest1, beta2, rest2, rate, correction, epsilon float32)",
		"w = keep·w, g' = g + decay·w, m = beta1·m + rest1·g', v = beta2·v + rest2·g'², w −= rate·m/(√v·correction + epsilon).",
		[]string{"w", "m", "v", "g"}, 2, func() func([]vreg) []vreg {
			keep, decay := n.scalar("keep"), n.scalar("decay")
			beta1, rest1 := n.scalar("beta1"), n.scalar("rest1")
			beta2, rest2 := n.scalar("beta2"), n.scalar("rest2")
			rate, correction, epsilon := n.scalar("rate"), n.scalar("correction"), n.scalar("epsilon")
			return func(in []vreg) []vreg {
				w, m, v, g := in[0], in[1], in[2], in[3]
				t := n.vector()
				n.mul(w, keep, w)
				n.mulAdd(g, decay, w)
				n.mul(m, beta1, m)
				n.mulAdd(m, rest1, g)
				n.mul(g, g, g)
				n.mul(v, beta2, v)
				n.mulAdd(v, rest2, g)
				n.sqrt(g, v)
				n.move(t, epsilon)
				n.mulAdd(t, correction, g)
				n.mul(g, rate, m)
				n.div(g, g, t)
				n.sub(w, w, g)
				return []vreg{w, m, v}
			}
		})
}
