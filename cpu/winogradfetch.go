package cpu

import "fovea/cpu/internal/winograd"

// coming is a stretch of elements that will be used soon, of which some are taken from
// the front.
type coming struct{ at, end int }

// take takes the part of a stretch of x that is due if it is to be used up in so many
// steps, whole cache lines of it.
func (s *coming) take(x []float32, steps int) []float32 {
	n := min(ceil(ceil(s.end-s.at, steps), 16)*16, s.end-s.at)
	s.at += n
	return x[s.at-n : s.at]
}

// outputOf is where the tiles from first on lie in the output; nothing, where that is
// much more than they are.
func (v *winogradTiles) outputOf(first, tiles int) coming {
	return v.rowsOf(first, tiles, 0, winograd.Tile, v.outHeight, v.outWidth*v.outputs)
}

// inputOf is the same for their pieces of the input.
func (v *winogradTiles) inputOf(first, tiles int) coming {
	return v.rowsOf(first, tiles, v.top, winograd.Piece, v.inHeight, v.inWidth*v.inputs)
}

// rowsOf is the rows of images of tiles that begin top rows before them and are size
// rows high.
func (v *winogradTiles) rowsOf(first, tiles, top, size, height, pitch int) coming {
	if v.tilesWide > tiles {
		return coming{}
	}
	row := func(tile, behind int) int {
		image, row, _ := v.place(tile)
		return (image*height + min(max(row*winograd.Tile-top+behind, 0), height)) * pitch
	}
	return coming{row(first, 0), row(first+tiles-1, size)}
}
