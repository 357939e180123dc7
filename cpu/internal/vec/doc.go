// Package vec holds the loops over []float32 of which a training step is made.
//
// A [Kernel] is one implementation of all of them for one instruction set; [Kernels] lists those of this machine. The doc comment of a
// method is its loop. Slices of one call have the length of the first; a destination may be one of the sources, but must not overlap one partly.
//
// # Bits
//
// Element-wise loops compute an element from its own operands alone, by the same instructions wherever it lies, so a vector may be cut
// among goroutines anywhere. Sums are taken in a fixed order that depends on the length (ColumnSums: on the shape) and the Kernel. Results of
// different Kernels differ by rounding.
//
// # Bounds
//
// An ulp is the distance between neighbouring float32 at the exact value, subnormal ones included. ε is 2⁻²⁴.
package vec
