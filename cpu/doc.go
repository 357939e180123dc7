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
// A convolution is a product of patches and filters (package gemm). Patches are read
// where they lie, in the image or in a copy of a few of its rows with zeros around
// them: no column matrix exists, and only filters are packed. 3×3 filters without
// strides use Winograd's algorithm (package winograd), few filters of few channels
// products whose lanes are pixels, depthwise filters loops whose lanes are channels
// (package lanes). Which it is follows from the shapes; Profile tells. All other
// loops over memory are those of package vec or plain Go.
//
// A convolution of few filters and the max pooling behind it are one instruction, and
// so are their gradients: what lies between them never leaves the nearest caches.
//
// What is made of a parameter, such as packed filters, is kept until somebody writes
// the parameter. Executables share their scratch memory, unless they run at once.
//
// How a step is cut depends on shapes alone, and partial sums are added in a
// fixed order, so results have the same bits for any number of threads. They
// differ between instruction sets by rounding.
package cpu
