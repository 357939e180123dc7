// Package cpu is the fast backend in pure Go: no C, vector instructions through
// Go assembly. Importing it registers the backend "cpu", which Open("auto")
// finds on any machine.
//
// The name "cpu" picks the best instruction set; "cpu:avx512", "cpu:avx2",
// "cpu:neon" (on arm64) and "cpu:portable" force one.
//
// A Program is compiled into a flat list of steps, each a function bound to its
// operands and a number of parts it is cut into. A run walks the list; the parts
// of a step are shared by a fixed set of goroutines. Nothing is allocated while
// it runs.
//
// Convolutions are matrix products (package gemm) whose left factor, the pixels
// under the filters, is packed straight from the images: no column matrix is
// ever stored. All loops over memory are those of package vec or plain Go.
//
// How a step is cut depends on shapes alone, and partial sums are added in a
// fixed order, so results have the same bits for any number of threads. They
// differ between instruction sets by rounding.
package cpu
