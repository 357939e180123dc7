//go:build !(amd64 || arm64) || noasm

package gemm

func machineKernels() []*Kernel { return nil }

func copyLanes([]float32, int, []float32, int, int, int) bool { return false }

func interleave([]float32, int, []float32, int, int, int) bool { return false }
