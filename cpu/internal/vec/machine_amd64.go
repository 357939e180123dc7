//go:build amd64 && !noasm

package vec

func machineKernels() []*Kernel { return nil }
