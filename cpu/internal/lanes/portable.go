package lanes

import "unsafe"

var portable = Kernel{
	name:     "portable",
	lanes:    4,
	products: []productKernel{productsPortable},
	dots:     [][]dotKernel{{dotsPortable}},
}

// productsPortable is the productKernel for one row.
func productsPortable(depth, runs int, a *float32, _, aStep, aJump int, b *float32, bStep, bJump int, c *float32, _, lanes int, accumulate bool) {
	out := unsafe.Slice(c, lanes)
	if !accumulate {
		clear(out)
	}
	atA, atB := 0, 0
	for range runs {
		for range depth {
			left, right := unsafe.Slice(after(a, atA), lanes), unsafe.Slice(after(b, atB), lanes)
			for j, v := range left {
				out[j] += v * right[j]
			}
			atA += aStep
			atB += bStep
		}
		atA += aJump
		atB += bJump
	}
}

// dotsPortable is the dotKernel for one row and one shift.
func dotsPortable(n, runs int, a *float32, _, aRun int, b *float32, bRun int, sums *float32) {
	total := (*[4]float32)(unsafe.Pointer(sums))
	s0, s1, s2, s3 := total[0], total[1], total[2], total[3]
	for run := range runs {
		x, y := unsafe.Slice(after(a, run*aRun), n), unsafe.Slice(after(b, run*bRun), n)
		for len(x) >= 4 && len(y) >= 4 {
			s0 += x[0] * y[0]
			s1 += x[1] * y[1]
			s2 += x[2] * y[2]
			s3 += x[3] * y[3]
			x, y = x[4:], y[4:]
		}
		for i, v := range x {
			s0 += v * y[i]
		}
	}
	*total = [4]float32{s0, s1, s2, s3}
}
