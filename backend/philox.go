package backend

import "math/bits"

// Philox4x32 is the counter-based generator Philox4x32-10: a bijection of the
// counter under a key, so that any number of a sequence can be drawn at once, in
// any order, by any backend. Source: Salmon et al. 2011, "Parallel random
// numbers: as easy as 1, 2, 3".
func Philox4x32(counter [4]uint32, key [2]uint32) [4]uint32 {
	const (
		m0, m1 = 0xD2511F53, 0xCD9E8D57
		w0, w1 = 0x9E3779B9, 0xBB67AE85
	)
	for range 10 {
		hi0, lo0 := bits.Mul32(m0, counter[0])
		hi1, lo1 := bits.Mul32(m1, counter[2])
		counter = [4]uint32{hi1 ^ counter[1] ^ key[0], lo1, hi0 ^ counter[3] ^ key[1], lo0}
		key[0] += w0
		key[1] += w1
	}
	return counter
}

// Random returns the 32 random bits of one element of a stream at one step. The
// key is the seed, low half first; the counter is (element/4 as two words, low
// first; stream; step); the word is element mod 4.
func Random(seed uint64, element uint64, stream, step uint32) uint32 {
	block := element / 4
	return Philox4x32([4]uint32{uint32(block), uint32(block >> 32), stream, step}, [2]uint32{uint32(seed), uint32(seed >> 32)})[element%4]
}

// Uniform returns a random number in [0, 1), a multiple of 2⁻²⁴:
// (Random >> 8)·2⁻²⁴, exact in float32.
func Uniform(seed uint64, element uint64, stream, step uint32) float64 {
	return float64(Random(seed, element, stream, step)>>8) * 0x1p-24
}
