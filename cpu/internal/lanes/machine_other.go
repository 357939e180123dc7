//go:build !(amd64 || arm64) || noasm

package lanes

func machineKernels() []*Kernel { return nil }
