package kernels

import (
	"encoding/binary"
	"math"
)

// packer lays out arguments as the C ABI does.
type packer []byte

func (p *packer) align(n int) {
	for len(*p)%n != 0 {
		*p = append(*p, 0)
	}
}

func (p *packer) uint32(v uint32) {
	p.align(4)
	*p = binary.LittleEndian.AppendUint32(*p, v)
}

func (p *packer) uint64(v uint64) {
	p.align(8)
	*p = binary.LittleEndian.AppendUint64(*p, v)
}

func (p *packer) int32(v int32)     { p.uint32(uint32(v)) }
func (p *packer) int64(v int64)     { p.uint64(uint64(v)) }
func (p *packer) float32(v float32) { p.uint32(math.Float32bits(v)) }
func (p *packer) float64(v float64) { p.uint64(math.Float64bits(v)) }
func (p *packer) pointer(v Pointer) { p.uint64(uint64(v)) }
