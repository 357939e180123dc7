// Package winograd holds the transforms of Winograd's convolution F(4×4, 3×3): a tile of 4×4 pixels of a convolution with 3×3 filters takes
// 36 products instead of 144 (Winograd 1980; Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016).
//
// For a piece d of 6×6 pixels of the image, and a filter w,
//
//	y = Aᵀ·[(G·w·Gᵀ) ⊙ (Bᵀ·d·B)]·A
//
// where ⊙ multiplies element by element. Sums over channels are taken between the two: so each of the 36 elements is a matrix product of its own,
// of tiles × channels with channels × filters. The gradients are transforms by the adjoints: with M = A·y′·Aᵀ for a tile y′ of the gradient of
// the output, that of the filters is Gᵀ·[Σ M ⊙ (Bᵀ·d·B)]·G, summed over all tiles. The gradient of the input is a convolution itself.
//
// # Points
//
// The matrices follow from six points at which polynomials are evaluated. These are 0, ±5/8, ±3/2 and ∞. The best known, 0, ±1, ±2, ∞, need
// fewer multiplications, but their errors are more than twice as large (root mean square, convolutions of normal numbers; against the direct sum
// in float32 of the same inputs 11.8 times, here 5.2 times). Among pairs of short binary fractions none tried did better. Points and their
// powers are exact in float32, so that the only constants that are rounded are the norms in G. Opposite points let a transform compute even and
// odd parts once.
//
// # Error
//
// An error bound for each element, with u = 2⁻²⁴, is
//
//	γ(n)·|Aᵀ|·[(|G|·|w|·|Gᵀ|) ⊙ (|Bᵀ|·|d|·|B|)]·|A|,   γ(n) = n·u/(1 − n·u)
//
// with sums over the channels, since every transform evaluates just the terms of its matrix, each once, so that no intermediate value exceeds
// what it is in this expression; n counts the roundings on the longest path to an element: those of the products, as many as there are
// channels (or tiles, for the filters), and [Roundings].
package winograd
