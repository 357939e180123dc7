// Package kernels holds fovea's CUDA kernels: their sources, the PTX made of them,
// and a Go function for each that packs its arguments. It is plain Go and knows of
// no device: packages cuda/internal/lower and cuda use it.
//
// Every .cu file holds one operation or one family and tells its formula, shapes
// and launch geometry at its head. `make kernels` makes ptx/ and bindings_gen.go of
// them; using fovea needs neither nvcc nor a CUDA toolkit.
package kernels

import (
	"embed"
	"slices"
)

//go:embed ptx/*.ptx
var ptx embed.FS

// PTX returns the text of a file, by its name without folder and ending, or nil
// if there is none.
func PTX(file string) []byte {
	text, err := ptx.ReadFile("ptx/" + file + ".ptx")
	if err != nil {
		return nil
	}
	return text
}

// Kernels lists every kernel, by name.
func Kernels() []*Kernel { return slices.Clone(all) }
