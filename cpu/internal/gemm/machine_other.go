//go:build !amd64 || noasm

package gemm

func machineKernels() []*Kernel { return nil }

func packLanes([]float32, int, []float32, int, int, int) bool { return false }

func packDepth([]float32, int, []float32, int, int, int) bool { return false }
