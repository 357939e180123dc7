package lower

import "fovea/backend"

// product lowers the Ops that are matrix products: MatMul and the convolutions.
func (l *lowering) product(op backend.Op) (Work, error) {
	return Work{}, unsupported(op)
}
