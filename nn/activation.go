package nn

import "fovea/backend"

// Activation is an element-wise function put behind a layer. The zero value is the
// identity. Maxout, which is not element-wise, is a layer of its own.
type Activation = backend.Activation

// The activations of the lecture ("What Is σ?").
var (
	Identity  = Activation{}
	Sigmoid   = Activation{Func: backend.Sigmoid}               // 1/(1+e^−x)
	Tanh      = Activation{Func: backend.Tanh}                  // tanh x
	ReLU      = Activation{Func: backend.ReLU}                  // max(0, x)
	LeakyReLU = Activation{Func: backend.LeakyReLU, Alpha: 0.1} // max(0.1·x, x)
	ELU       = Activation{Func: backend.ELU, Alpha: 1}         // x for x ≥ 0, else e^x − 1
)
