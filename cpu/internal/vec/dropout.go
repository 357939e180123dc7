package vec

import (
	"math"

	"fovea/backend"
)

// Dropout tells which elements of a vector stay, by the numbers of backend.Random.
type Dropout struct {
	Rate         float64
	Key          [2]uint32
	Stream, Step uint32
}

// Dropout does y[i] = x[i]/(1 − Rate) where backend.Uniform of element first + i is at least Rate, else 0. first is a multiple of four. The quotient has two
// roundings.
func (k *Kernel) Dropout(y, x []float32, first int, d Dropout) {
	equalLengths(len(y), len(x))
	if first < 0 || first%4 != 0 {
		panic("BUG: vec: dropout begins within a block")
	}
	if len(y) > 0 {
		// The numbers are whole multiples of 2⁻²⁴.
		k.dropout(y, x, uint64(first/4), d.Stream, d.Step, d.Key[0], d.Key[1], int32(math.Ceil(d.Rate*0x1p24)), float32(1/(1-d.Rate)))
	}
}

func dropoutPortable(y, x []float32, block uint64, stream, step, key0, key1 uint32, threshold int32, factor float32) {
	for at := 0; at < len(y); at += 4 {
		words := backend.Philox4x32([4]uint32{uint32(block), uint32(block >> 32), stream, step}, [2]uint32{key0, key1})
		block++
		for i := range min(4, len(y)-at) {
			v := float32(0)
			if int32(words[i]>>8) >= threshold {
				v = x[at+i] * factor
			}
			y[at+i] = v
		}
	}
}
