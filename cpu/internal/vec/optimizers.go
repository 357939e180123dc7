package vec

// SGD holds the numbers of one step of gradient descent: w = w − Rate·(g + Decay·w).
type SGD struct {
	Rate, Decay float32
}

// SGD updates parameters w by the gradient g.
func (k *Kernel) SGD(w, g []float32, s *SGD) {
	equalLengths(len(w), len(g))
	if len(w) > 0 {
		k.sgd(w, g, s)
	}
}

// RMSProp holds the numbers of one step of RMSProp (Tieleman and Hinton 2012).
//
//	g' = g + Decay·w
//	v  = Keep·v + Rest·g'²
//	w  = w − Rate·g' / (√v + Epsilon)
//
// AdaGrad (Duchi, Hazan and Singer 2011) is the same with Keep 1 and Rest 1.
type RMSProp struct {
	Rate, Decay, Keep, Rest, Epsilon float32
}

// RMSProp updates parameters w and mean squares v by the gradient g.
func (k *Kernel) RMSProp(w, v, g []float32, s *RMSProp) {
	equalLengths(len(w), len(v), len(g))
	if len(w) > 0 {
		k.rmsProp(w, v, g, s)
	}
}

// AdaDelta holds the numbers of one step of AdaDelta (Zeiler 2012).
//
//	g' = g + Decay·w
//	v  = Keep·v + Rest·g'²
//	u  = g'·√(d + Epsilon)/√(v + Epsilon)
//	d  = Keep·d + Rest·u²
//	w  = w − Rate·u
type AdaDelta struct {
	Rate, Decay, Keep, Rest, Epsilon float32
}

// AdaDelta updates parameters w and the mean squares v of gradients and d of updates by the gradient g.
func (k *Kernel) AdaDelta(w, v, d, g []float32, s *AdaDelta) {
	equalLengths(len(w), len(v), len(d), len(g))
	if len(w) > 0 {
		k.adaDelta(w, v, d, g, s)
	}
}

// Momentum holds the numbers of one step of gradient descent with momentum (Polyak 1964; Sutskever et al. 2013 for Nesterov), as PyTorch defines it.
//
//	g' = g + Decay·w
//	v  = Momentum·v + g'
//	w  = w − Rate·(Direct·g' + Velocity·v)
//
// Plain momentum has Direct 0 and Velocity 1; Nesterov's has Direct 1 and Velocity Momentum.
type Momentum struct {
	Rate, Momentum, Decay, Direct, Velocity float32
}

// Momentum updates parameters w and velocities v by the gradient g.
func (k *Kernel) Momentum(w, v, g []float32, s *Momentum) {
	equalLengths(len(w), len(v), len(g))
	if len(w) > 0 {
		k.momentum(w, v, g, s)
	}
}

// Adam holds the numbers of one step of Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019), as PyTorch defines them.
//
//	w  = Keep·w
//	g' = g + Decay·w
//	m  = Beta1·m + Rest1·g'
//	v  = Beta2·v + Rest2·g'²
//	w  = w − Rate·m / (√v·Correction + Epsilon)
//
// At step t ≥ 1, with learning rate η: Rate = η/(1 − β₁ᵗ), Rest1 = 1 − β₁, Rest2 = 1 − β₂, Correction = 1/√(1 − β₂ᵗ), each computed in float64. Adam with
// weight decay λ has Keep 1 and Decay λ, AdamW Keep 1 − ηλ and Decay 0.
type Adam struct {
	Keep, Decay, Beta1, Rest1, Beta2, Rest2, Rate, Correction, Epsilon float32
}

// Adam updates parameters w and moments m and v by the gradient g.
func (k *Kernel) Adam(w, m, v, g []float32, s *Adam) {
	equalLengths(len(w), len(m), len(v), len(g))
	if len(w) > 0 {
		k.adam(w, m, v, g, s)
	}
}
