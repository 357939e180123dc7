package lower

import "fovea/backend"

// rows lowers the Ops on windows, rows and channels: pooling, maxout, softmax,
// losses and batch normalisation.
func (l *lowering) rows(op backend.Op) (Work, error) {
	return Work{}, unsupported(op)
}
