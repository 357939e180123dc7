package backend

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The known answers of the authors' Random123 library for Philox4x32-10.
func TestPhiloxKnownAnswers(t *testing.T) {
	const all = 0xffffffff
	assert.Equal(t, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, Philox4x32([4]uint32{}, [2]uint32{}))
	assert.Equal(t, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}, Philox4x32([4]uint32{all, all, all, all}, [2]uint32{all, all}))
}

// The layout of the counter: four elements share a block, in order; block number,
// stream, step and the two halves of the seed each have a word of their own.
func TestRandomLayout(t *testing.T) {
	const seed = 0x0123456789abcdef
	key := [2]uint32{0x89abcdef, 0x01234567}
	for i, element := range []uint64{0, 1, 2, 3, 4, 5, 4*0x1_0000_0002 + 3} {
		block := element / 4
		words := Philox4x32([4]uint32{uint32(block), uint32(block >> 32), 7, 9}, key)
		assert.Equal(t, words[element%4], Random(seed, element, 7, 9), "case %d", i)
	}
	first := Philox4x32([4]uint32{}, [2]uint32{})
	for i, word := range first {
		assert.Equal(t, word, Random(0, uint64(i), 0, 0))
		u := Uniform(0, uint64(i), 0, 0)
		assert.Equal(t, float64(word>>8)/(1<<24), u)
		assert.Equal(t, u, float64(float32(u)), "exact in float32")
	}
}
