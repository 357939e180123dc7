// Package driver reaches the NVIDIA driver, found when the program runs.
//
// gorgonia.org/cu, fovea's binding of the CUDA driver API, is linked with -lcuda and ends the process where no driver
// answers. This package defines every symbol that cu references as a trampoline into a table, filled by dlopen and dlsym at
// the first cuInit, and satisfies -lcuda with an empty archive. So a program built with the tag cuda starts on every machine;
// [Status] tells what was found, and where it was looked for.
//
// The driver library is, in this order: what [Use] names; the file that the environment variable FOVEA_CUDA_DRIVER names;
// libcuda.so.1 as the loader finds it; the places where distributions and containers keep it.
//
// # Building
//
// The tag cuda needs linux on amd64 or arm64 and a C compiler, and no CUDA toolkit: cuda/include/cuda.h holds the
// declarations. cu is another module, so that its path has to be given in the environment:
//
//	CGO_CFLAGS="-O2 -g -I$PWD/cuda/include" go build -tags cuda ./cmd/fovea
//
// Where a CUDA toolkit up to 12.x is installed in /usr/local/cuda, go build -tags cuda works by itself.
//
// # Through cu, and beside it
//
// Devices, primary contexts, modules, functions, device memory and the making of streams, events and graphs go through cu. Beside
// it, in shims.c, is what cu does not bind (graph instantiation and launch, function attributes, pinned memory, the log of the
// compiler in the driver) and what it cannot do from Go (arguments packed in one buffer, several calls on one thread). A shim sets
// the context in the call itself; calls through cu lock their goroutine to its thread meanwhile.
//
// A [Context] and what it makes may be used from many goroutines, but not while they are closed.
package driver
