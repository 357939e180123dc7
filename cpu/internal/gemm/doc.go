// Package gemm multiplies matrices of float32: C = A·B, or C += A·B, with A [M, K], B [K, N] and C [M, N].
//
// A register-blocked micro-kernel holds a tile of C in registers, broadcasts elements of A and multiplies them by vectors of B. It reads both where they lie,
// at any distances, in stretches if need be ([Block]): a matrix, its transpose, or the patches of an image, so that a convolution is a product without a matrix
// of patches. Around it is the structure of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008) ([Kernel.Multiply]):
//
//	for each block of K, kc deep              Kernel.Depth
//	  for each block of N, nc wide            pack B → L2/L3, or leave it
//	    for each block of M, mc high          pack A → L2, or leave it
//	      Kernel.Block: for each tile of C    micro-kernel, A × B → registers → C
//
// Packing copies an operand into panels that are read front to back. It is done where it pays: B if its columns are not neighbours in memory, either operand if
// the cache or the pages could not hold what a tile reads. Operands come from a [Source], which packs one panel at a time; a matrix in memory, transposed or
// not, is a [Strided]. Weights that do not change are packed once, by [Kernel.PackWhole]. Callers with other needs (packing shared by threads) call
// [Kernel.PackA], [Kernel.PackB] and [Kernel.Block] themselves.
//
// # Panels
//
// A lane is a row of A or a column of B. A panel holds some lanes over a range of K, depth index outermost:
//
//	panel[p·width + l] = element of lane l at depth p, 0 if l is beyond the last lane
//
// A packed block is its panels one after another. All but the last are full, so the panel whose first lane is l starts at l·depth. Widths
// are those of [Kernel.PanelA] and [Kernel.PanelB]: as wide as registers allow, narrower for what remains, so that N = 6 does not pay for 32.
//
// # Order of summation
//
// K is cut into blocks of [Kernel.Depth] elements. Within a block, an element of C is one chain of multiply-adds in ascending order of
// p, starting from zero; the sums of the blocks are added to C in ascending order. The order depends on K and the Kernel alone: computing any
// sub-range of rows and columns, in any order, by any number of goroutines, gives the same bits. To split K over threads, multiply each slice
// ([Product.From], [Product.To]) into its own C and add those in a fixed order; the slices must then follow from the shape, not from the number of threads.
//
// Each chain has at most kc ≤ 512 terms, so that |C − exact| ≤ (kc + K/kc + 1)·2⁻²⁴·Σ|a·b| and a little more for second-order terms.
package gemm
