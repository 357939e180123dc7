package winograd

// Sizes of the algorithm.
const (
	Tile     = 4             // rows and columns of pixels of output that are computed together
	Filter   = 3             // rows and columns of a filter
	Piece    = 6             // rows and columns of pixels of the input that a tile depends on
	Elements = Piece * Piece // of a transformed piece
)

// Roundings is how many roundings a term undergoes at most in the three transforms that it passes, besides those of the products and of the sum over
// channels or tiles. In one dimension, without fused multiply-adds, Bᵀ has 4 on its longest path, A 3, Aᵀ 4, G 5 and Gᵀ 6, those of
// constants included; a transform in two dimensions has twice as many, and no three of them more than 28.
const Roundings = 28

// The points are 0, ±a, ±b, ∞.
const (
	a = 5. / 8
	b = 3. / 2

	a2, b2 = a * a, b * b
	a3, b3 = a * a * a, b * b * b
	sum    = a2 + b2
	prod   = a2 * b2

	// The norms of the filters' polynomials.
	norm0 = 1 / prod
	normA = 1 / (2 * a2 * (a2 - b2))
	normB = 1 / (2 * b2 * (b2 - a2))
)

// BT, G and AT are the matrices Bᵀ, G and Aᵀ.
var (
	BT = [Piece][Piece]float64{
		{prod, 0, -sum, 0, 1, 0},
		{0, -a * b2, -b2, a, 1, 0},
		{0, a * b2, -b2, -a, 1, 0},
		{0, -b * a2, -a2, b, 1, 0},
		{0, b * a2, -a2, -b, 1, 0},
		{0, prod, 0, -sum, 0, 1},
	}
	G = [Piece][Filter]float64{
		{norm0, 0, 0},
		{normA, a * normA, a2 * normA},
		{normA, -a * normA, a2 * normA},
		{normB, b * normB, b2 * normB},
		{normB, -b * normB, b2 * normB},
		{0, 0, 1},
	}
	AT = [Tile][Piece]float64{
		{1, 1, 1, 1, 1, 0},
		{0, a, -a, b, -b, 0},
		{0, a2, a2, b2, b2, 0},
		{0, a3, -a3, b3, -b3, 1},
	}
)
