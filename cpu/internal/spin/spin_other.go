//go:build !amd64 || noasm

package spin

import "sync/atomic"

// spins is loaded in place of a hint, which Go has none of.
var spins atomic.Int64

func pause(n int) {
	for range 8 * n {
		spins.Load()
	}
}
