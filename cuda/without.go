//go:build !cuda

package cuda

import (
	"fmt"

	"fovea/backend"
)

// Devices fails with an error that says how to build fovea with its backend for
// GPUs: this is the build without the tag cuda. It wraps backend.ErrUnsupported.
func Devices() ([]backend.Info, error) {
	return nil, fmt.Errorf("cuda: %w by this build; on Linux, from the root of fovea's repository and with a C compiler, build it with\n"+
		"\tCGO_CFLAGS=\"-O2 -g -I$PWD/cuda/include\" go build -tags cuda ./cmd/fovea", backend.ErrUnsupported)
}
