package backend

import "fmt"

// Window is how a kernel moves over an image: strides and dilations are 1 or
// more, paddings 0 or more, all in pixels.
type Window struct {
	StrideH, StrideW                     int
	DilationH, DilationW                 int
	PadTop, PadBottom, PadLeft, PadRight int
}

// Output returns the size of the image that a kernel of kh×kw makes from one of
// h×w:
//
//	oh = (h + PadTop + PadBottom − DilationH·(kh−1) − 1)/StrideH + 1
//
// rounded down, and likewise ow. It is the lecture's (Input − Filter +
// 2·Padding)/Stride + 1, with the two sides' padding told apart and dilation.
func (w Window) Output(h, width, kh, kw int) (oh, ow int, err error) {
	if err := w.validate(); err != nil {
		return 0, 0, err
	}
	if kh < 1 || kw < 1 || kh > maxExtent || kw > maxExtent {
		return 0, 0, fmt.Errorf("%w: kernel %d×%d, expected 1×1 to %d×%d", ErrShape, kh, kw, maxExtent, maxExtent)
	}
	eh, ew := w.DilationH*(kh-1)+1, w.DilationW*(kw-1)+1
	ph, pw := h+w.PadTop+w.PadBottom, width+w.PadLeft+w.PadRight
	if eh > ph || ew > pw {
		return 0, 0, fmt.Errorf("%w: filter %d×%d%s is larger than padded input %d×%d", ErrShape, kh, kw, w.dilated(eh, ew), ph, pw)
	}
	return (ph-eh)/w.StrideH + 1, (pw-ew)/w.StrideW + 1, nil
}

func (w Window) dilated(eh, ew int) string {
	if w.DilationH == 1 && w.DilationW == 1 {
		return ""
	}
	return fmt.Sprintf(" (dilated to %d×%d)", eh, ew)
}

// maxExtent bounds strides, dilations and paddings so that sums of them cannot
// overflow.
const maxExtent = 1 << 24

func (w Window) validate() error {
	for _, f := range []struct {
		name     string
		v, least int
	}{
		{"StrideH", w.StrideH, 1}, {"StrideW", w.StrideW, 1},
		{"DilationH", w.DilationH, 1}, {"DilationW", w.DilationW, 1},
		{"PadTop", w.PadTop, 0}, {"PadBottom", w.PadBottom, 0},
		{"PadLeft", w.PadLeft, 0}, {"PadRight", w.PadRight, 0},
	} {
		if f.v < f.least || f.v > maxExtent {
			return fmt.Errorf("%w: %s is %d, expected %d to %d", ErrShape, f.name, f.v, f.least, maxExtent)
		}
	}
	return nil
}
