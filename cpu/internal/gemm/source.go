package gemm

import "fmt"

// Source is an operand of a product, which packs itself panel by panel. A lane is a row of A or a column of B.
type Source interface {
	// Pack writes lanes [lane, lane+lanes) over depth indices [p, p+depth) into dst, which holds width·depth elements, lanes ≤ width:
	//
	//	dst[q·width + l] = element of lane lane+l at depth p+q    for l < lanes
	//	dst[q·width + l] = 0                                      for l ≥ lanes
	//
	// It is called from many goroutines at once.
	Pack(dst []float32, width, lane, lanes, p, depth int)
}

// Strided is a matrix in memory: the element of lane l at depth p is Data[l·LaneStride + p·DepthStride]. Packing is fast if one of the
// strides is 1.
type Strided struct {
	Data                    []float32
	LaneStride, DepthStride int
}

// Left returns the source of A [M, K], stored row by row with the given row stride, or of Aᵀ stored that way ([K, M]) if transposed.
func Left(a []float32, stride int, transposed bool) Strided {
	if transposed {
		return Strided{a, 1, stride}
	}
	return Strided{a, stride, 1}
}

// Right returns the source of B [K, N], stored row by row with the given row stride, or of Bᵀ stored that way ([N, K]) if transposed.
func Right(b []float32, stride int, transposed bool) Strided {
	return Left(b, stride, !transposed)
}

// from returns the elements from one on.
func (s *Strided) from(lane, p int) []float32 { return s.Data[lane*s.LaneStride+p*s.DepthStride:] }

// Pack implements Source.
func (s *Strided) Pack(dst []float32, width, lane, lanes, p, depth int) {
	src := s.from(lane, p)
	switch {
	case s.LaneStride == 1:
		CopyLanes(dst, width, src, s.DepthStride, lanes, depth)
	case s.DepthStride == 1:
		Interleave(dst, width, src, s.LaneStride, lanes, depth)
	default:
		checkPart(dst, width, src, s.LaneStride, s.DepthStride, lanes, depth)
		packStrided(dst, width, src, s.LaneStride, s.DepthStride, lanes, depth)
	}
	if lanes < width {
		ZeroLanes(dst[lanes:], width, width-lanes, depth)
	}
}

// CopyLanes writes a part of a panel, lanes×depth elements that start at dst[0], from memory where neighbouring lanes are neighbours:
//
//	dst[p·width + l] = src[p·stride + l]
//
// It writes nothing else, so that a Source can put a panel together from parts. Four lanes or more are fast.
func CopyLanes(dst []float32, width int, src []float32, stride, lanes, depth int) {
	checkPart(dst, width, src, 1, stride, lanes, depth)
	if !copyLanes(dst, width, src, stride, lanes, depth) {
		packStrided(dst, width, src, 1, stride, lanes, depth)
	}
}

// Interleave writes a part of a panel, lanes×depth elements that start at dst[0], from memory where each lane lies in one piece:
//
//	dst[p·width + l] = src[l·stride + p]
//
// It writes nothing else, so that a Source can put a panel together from parts. Eight lanes and depth 8 or more are fast, four are not bad.
func Interleave(dst []float32, width int, src []float32, stride, lanes, depth int) {
	checkPart(dst, width, src, stride, 1, lanes, depth)
	if !interleave(dst, width, src, stride, lanes, depth) {
		packStrided(dst, width, src, stride, 1, lanes, depth)
	}
}

// ZeroLanes writes a part of a panel, lanes×depth elements that start at dst[0]: dst[p·width + l] = 0. It writes nothing else.
func ZeroLanes(dst []float32, width, lanes, depth int) {
	if lanes == width {
		clear(dst[:width*depth])
		return
	}
	for p := range depth {
		clear(dst[p*width : p*width+lanes])
	}
}

// checkPart panics unless the part of a panel fits dst and what it is packed from lies within src.
func checkPart(dst []float32, width int, src []float32, laneStride, depthStride, lanes, depth int) {
	if lanes < 1 || depth < 1 || lanes > width || len(dst) < width*(depth-1)+lanes || laneStride < 0 || depthStride < 0 ||
		len(src) < (lanes-1)*laneStride+(depth-1)*depthStride+1 {
		panic(fmt.Sprintf("BUG: gemm: packing %d×%d elements with strides %d, %d of %d elements into a panel of width %d in %d",
			lanes, depth, laneStride, depthStride, len(src), width, len(dst)))
	}
}

// packStrided writes a part of a panel from anywhere.
func packStrided(dst []float32, width int, src []float32, laneStride, depthStride, lanes, depth int) {
	if laneStride < depthStride {
		for p := range depth {
			row := dst[p*width : p*width+lanes]
			at := p * depthStride
			for l := range row {
				row[l] = src[at]
				at += laneStride
			}
		}
		return
	}
	for l := range lanes {
		at, to := l*laneStride, l
		for range depth {
			dst[to] = src[at]
			at += depthStride
			to += width
		}
	}
}
