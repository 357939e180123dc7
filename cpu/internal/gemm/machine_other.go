//go:build !amd64 || noasm

package gemm

func machineKernels() []*Kernel { return nil }
