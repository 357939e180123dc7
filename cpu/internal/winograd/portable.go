package winograd

import "unsafe"

var portable = Kernel{
	name:       "portable",
	input:      inputPortable,
	gradient:   gradientPortable,
	filter:     filterPortable,
	filterGrad: filterGradPortable,
	output:     outputPortable,
	outputBias: outputBiasPortable,
	outputGrad: outputGradPortable,
}

// The transforms of one dimension.

func inputLine(d *[Piece]float32) [Piece]float32 {
	ea, oa := d[4]-b2*d[2], a*(d[3]-b2*d[1])
	eb, ob := d[4]-a2*d[2], b*(d[3]-a2*d[1])
	return [Piece]float32{d[4] - sum*d[2] + prod*d[0], ea + oa, ea - oa, eb + ob, eb - ob, d[5] - sum*d[3] + prod*d[1]}
}

func gradientLine(d *[Tile]float32) [Piece]float32 {
	ea, oa := d[0]+a2*d[2], a*(d[1]+a2*d[3])
	eb, ob := d[0]+b2*d[2], b*(d[1]+b2*d[3])
	return [Piece]float32{d[0], ea + oa, ea - oa, eb + ob, eb - ob, d[3]}
}

func filterLine(w *[Filter]float32) [Piece]float32 {
	ea, oa := normA*(w[0]+a2*w[2]), a*normA*w[1]
	eb, ob := normB*(w[0]+b2*w[2]), b*normB*w[1]
	return [Piece]float32{norm0 * w[0], ea + oa, ea - oa, eb + ob, eb - ob, w[2]}
}

func filterGradLine(u *[Piece]float32) [Filter]float32 {
	ea, oa := normA*(u[1]+u[2]), a*normA*(u[1]-u[2])
	eb, ob := normB*(u[3]+u[4]), b*normB*(u[3]-u[4])
	return [Filter]float32{norm0*u[0] + (ea + eb), oa + ob, u[5] + a2*ea + b2*eb}
}

func outputLine(m *[Piece]float32) [Tile]float32 {
	ea, oa := m[1]+m[2], m[1]-m[2]
	eb, ob := m[3]+m[4], m[3]-m[4]
	return [Tile]float32{m[0] + ea + eb, a*oa + b*ob, a2*ea + b2*eb, m[5] + a3*oa + b3*ob}
}

// element is the element that lies some bytes behind p.
func element(p *float32, bytes int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), bytes)) }

func inputPortable(v *float32, stride int, x *float32, at, pitch, step int, _ *float32, rows int, cols *uint8, n, tiles int) {
	for to := range n * tiles {
		tile, c := to/n, to%n
		present := *(*uint8)(unsafe.Add(unsafe.Pointer(cols), tile))
		var half [Piece][Piece]float32
		for j := range Piece {
			var d [Piece]float32
			for i := range Piece {
				if rows>>i&1 != 0 && present>>j&1 != 0 {
					d[i] = *element(x, at+i*pitch+(Tile*tile+j)*step+4*c)
				}
			}
			for i, t := range inputLine(&d) {
				half[i][j] = t
			}
		}
		for i := range half {
			for j, t := range inputLine(&half[i]) {
				*element(v, (Piece*i+j)*stride+4*to) = t
			}
		}
	}
}

func gradientPortable(m *float32, stride int, dy *float32, at, pitch, step int, _ *float32, rows int, cols *uint8, n, tiles int) {
	for to := range n * tiles {
		tile, c := to/n, to%n
		present := *(*uint8)(unsafe.Add(unsafe.Pointer(cols), tile))
		var half [Piece][Tile]float32
		for j := range Tile {
			var d [Tile]float32
			for i := range Tile {
				if rows>>i&1 != 0 && present>>j&1 != 0 {
					d[i] = *element(dy, at+i*pitch+(Tile*tile+j)*step+4*c)
				}
			}
			for i, t := range gradientLine(&d) {
				half[i][j] = t
			}
		}
		for i := range half {
			for j, t := range gradientLine(&half[i]) {
				*element(m, (Piece*i+j)*stride+4*to) = t
			}
		}
	}
}

func filterPortable(u *float32, stride int, w *float32, at, pitch, step, n int) {
	for c := range n {
		var half [Piece][Filter]float32
		for j := range Filter {
			var taps [Filter]float32
			for i := range Filter {
				taps[i] = *element(w, at+i*pitch+j*step+4*c)
			}
			for i, t := range filterLine(&taps) {
				half[i][j] = t
			}
		}
		for i := range half {
			for j, t := range filterLine(&half[i]) {
				*element(u, (Piece*i+j)*stride+4*c) = t
			}
		}
	}
}

func filterGradPortable(w *float32, pitch, step int, u *float32, stride, n int, accumulate bool) {
	for c := range n {
		var half [Filter][Piece]float32
		for j := range Piece {
			d := column(u, stride, j, c)
			for i, t := range filterGradLine(&d) {
				half[i][j] = t
			}
		}
		for i := range half {
			for j, t := range filterGradLine(&half[i]) {
				to := element(w, i*pitch+j*step+4*c)
				if accumulate {
					t += *to
				}
				*to = t
			}
		}
	}
}

// column is a column of a transformed piece.
func column(m *float32, stride, j, c int) (d [Piece]float32) {
	for i := range d {
		d[i] = *element(m, (Piece*i+j)*stride+4*c)
	}
	return d
}

// eachOutput computes the pixels of tiles.
func eachOutput(pitch, step int, m *float32, stride, rows, cols, n, tiles int, f func(at, c int, t float32)) {
	for from := range n * tiles {
		tile, c := from/n, from%n
		var half [Tile][Piece]float32
		for j := range Piece {
			d := column(m, stride, j, from)
			for i, t := range outputLine(&d) {
				half[i][j] = t
			}
		}
		for i := range rows {
			for j, t := range outputLine(&half[i]) {
				if Tile*tile+j < cols {
					f(i*pitch+(Tile*tile+j)*step+4*c, c, t)
				}
			}
		}
	}
}

func outputPortable(x *float32, pitch, step int, m *float32, stride, rows, cols, n, tiles int) {
	eachOutput(pitch, step, m, stride, rows, cols, n, tiles, func(at, _ int, t float32) { *element(x, at) = t })
}

func outputBiasPortable(x *float32, pitch, step int, m *float32, stride, rows, cols, n, tiles int, bias *float32, slope float32) {
	eachOutput(pitch, step, m, stride, rows, cols, n, tiles, func(at, c int, t float32) {
		t += *element(bias, 4*c)
		if t <= 0 {
			t = damp(t, slope)
		}
		*element(x, at) = t
	})
}

func outputGradPortable(x *float32, pitch, step int, m *float32, stride, rows, cols, n, tiles int, y *float32, slope float32) {
	eachOutput(pitch, step, m, stride, rows, cols, n, tiles, func(at, _ int, t float32) {
		if !(*element(y, at) > 0) {
			t = damp(t, slope)
		}
		*element(x, at) = t
	})
}

// damp is slope·t, +0 if the slope is 0.
func damp(t, slope float32) float32 {
	if slope == 0 {
		return 0
	}
	return slope * t
}
