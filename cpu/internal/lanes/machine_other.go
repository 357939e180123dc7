//go:build !amd64 || noasm

package lanes

func machineKernels() []*Kernel { return nil }
