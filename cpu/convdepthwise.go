package cpu

import "fovea/cpu/internal/lanes"

// Where each channel is a group with one filter, matrices would have one column. There,
// a vector of channels of a pixel is multiplied by the weights of a tap, lane by lane.

// packTaps makes weights [C, KH, KW] a vector for each tap.
func (v *convolution) packTaps(packed []float32) {
	pixels := len(v.weights) / v.channels
	for i, t := range v.taps {
		for channel := range v.channels {
			packed[i*v.channels+channel] = v.weights[channel*pixels+t.pixel]
		}
	}
}

// multiplyLanes computes the pixels of a strip, the first of which goes to element to.
func (v *convolution) multiplyLanes(view *view, packed []float32, to int) {
	t := &v.target
	high, wide, stepY, stepX := v.grid()
	from, _ := view.at(&piece{dy: v.taps[0].dy, dx: v.taps[0].dx})
	image, row, pixel := view.axes(t.height*t.width*t.channels, t.stepH*t.width*t.channels, t.stepW*t.channels)
	f := lanes.Products{
		Rows: pixel.n, Lanes: v.channels, Depth: wide, Runs: high,
		ARow: pixel.x, AStep: stepX * v.channels, ARun: stepY * view.pitch,
		BStep: v.channels, BRun: wide * v.channels, CRow: pixel.y,
	}
	for i := range image.n {
		for j := range row.n {
			v.byLane.Products(&f, view.data[from+i*image.x+j*row.x:], packed, t.y[to+i*image.y+j*row.y:])
		}
	}
}

// computeLanes adds the products of a strip with its gradients g, for rows lo to hi−1
// of taps, to sum, which has for each tap those of all channels.
func (v *filterGrad) computeLanes(sum []float32, accumulate bool, view *view, g []float32, lo, hi int) {
	_, wide, _, stepX := v.grid()
	image, row, pixel := view.axes(v.rows*v.cols*v.channels, v.cols*v.channels, v.channels)
	f := lanes.Products{
		Rows: wide, Lanes: v.channels, Depth: pixel.n, Runs: row.n,
		ARow: stepX * v.channels, AStep: pixel.x, ARun: row.x,
		BStep: pixel.y, BRun: row.y, CRow: v.channels, Accumulate: accumulate,
	}
	for i := lo; i < hi; i++ {
		from, _ := view.at(&piece{dy: v.taps[i*wide].dy, dx: v.taps[i*wide].dx})
		for n := range image.n {
			f.Accumulate = accumulate || n > 0
			v.byLane.Products(&f, view.data[from+n*image.x:], g[n*image.y:], sum[i*wide*v.channels:])
		}
	}
}
