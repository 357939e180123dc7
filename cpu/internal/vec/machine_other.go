//go:build !(amd64 || arm64) || noasm

package vec

func machineKernels() []*Kernel { return nil }
