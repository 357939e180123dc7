// Package cuda is the backend for NVIDIA GPUs of compute capability 7.5 and later:
// hand-written kernels (package kernels), loaded by the NVIDIA driver that is found
// when the program runs (package cuda/driver). Importing it registers the backend
// "cuda"; backend.Open takes "cuda" and "cuda:0" for the first GPU, "cuda:1" for the
// second, and "auto" picks the first where it works.
//
//	backend.Open("cuda:0", backend.Options{})
//
// A name may end in a variant, for comparison and tests: "cuda:0/explicit" computes
// convolutions by an im2col matrix in memory instead of gathering it tile by tile.
//
// # Building
//
// It is built with the tag cuda on linux, for amd64 and arm64, with a C compiler but
// without a CUDA toolkit:
//
//	CGO_CFLAGS="-O2 -g -I$PWD/cuda/include" go build -tags cuda ./cmd/fovea
//
// The binary starts on every machine, with or without a driver. Without the tag this
// package needs no C, registers nothing, and [Devices] says how to build it.
//
// # How it works
//
// Compile turns each Op into kernel launches, fills and copies (cuda/internal/lower),
// places scratch memory, finds out from byte ranges what must wait for what, and makes
// one CUDA graph of everything, so that a training step is a single launch. All work
// of a Backend is ordered in one stream: Write copies into pinned memory and queues
// the transfer, Run queues the graph, and Read waits.
//
// An error of a kernel comes to light at a later Read, Write or Run; after one that
// wraps driver.ErrDeviceLost, the Backend can only be closed.
//
// FOVEA_CUDA_SEPARATE=1 gives every scratch buffer and workspace an allocation of its
// own, so that compute-sanitizer sees an access that strays from one into another; =0
// plans them into one arena. On the simulated driver of cuda/sim, 1 is the default.
package cuda
