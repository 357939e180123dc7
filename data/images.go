package data

import (
	"fmt"
	"image"
	"math"

	"golang.org/x/image/draw"
)

// maxImageBytes bounds what one set of images may take: far above what fits a laptop's patience, far below what would
// bring the machine down because of four wrong bytes in a header.
const maxImageBytes = 4 << 30

// maxSide bounds the height and width of an image, so that products of sides stay far from overflow.
const maxSide = 1 << 14

// Images is a stack of N equally sized images in NHWC order, pixels as they came from the source.
type Images struct {
	Height, Width, Channels int

	// Exactly one of the two holds N·Height·Width·Channels values: Bytes with grey levels 0..255, or Floats.
	Bytes  []uint8
	Floats []float32
}

// Len returns the number of images, 0 for a stack that Validate would refuse.
func (m Images) Len() int {
	size := m.Height * m.Width * m.Channels
	if size <= 0 {
		return 0
	}
	return (len(m.Bytes) + len(m.Floats)) / size
}

// Validate reports sides or channels out of range, a number of values that is not a whole number of images, and float
// values that are not finite, naming the first.
func (m Images) Validate() error {
	if err := m.validate(); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}

func (m Images) validate() error {
	if err := checkSize(m.Height, m.Width, m.Channels); err != nil {
		return err
	}
	if (m.Bytes == nil) == (m.Floats == nil) {
		return fmt.Errorf("images need either Bytes or Floats, found %d bytes and %d floats: %w", len(m.Bytes), len(m.Floats), ErrInvalid)
	}
	size := m.Height * m.Width * m.Channels
	if n := len(m.Bytes) + len(m.Floats); n == 0 || n%size != 0 {
		return fmt.Errorf("%d pixel values are not a whole number of %s images: %w", n, m.sizeString(), ErrInvalid)
	}
	for i, v := range m.Floats {
		if !finite(v) {
			p := i % size / m.Channels
			return fmt.Errorf("image %d has the value %v at row %d, column %d, channel %d: %w",
				i/size, v, p/m.Width, p%m.Width, i%m.Channels, ErrFormat)
		}
	}
	return nil
}

// Resize returns the images resampled to height × width: bilinear when they grow, area-weighted by the widened bilinear
// kernel when they shrink, which never overshoots the source's range. The whole image is mapped, so the aspect ratio may
// change; Pad first to keep it. Images of that size already are returned as they are, sharing memory. Only Bytes can be resized.
func (m Images) Resize(height, width int) (Images, error) {
	out, err := m.resize(height, width)
	if err != nil {
		return Images{}, fmt.Errorf("data: resize: %w", err)
	}
	return out, nil
}

func (m Images) resize(height, width int) (Images, error) {
	if height == m.Height && width == m.Width {
		return m, nil
	}
	if err := m.checkNewSize(height, width, m.Channels); err != nil {
		return Images{}, err
	}
	n := m.Len()
	out := Images{Height: height, Width: width, Channels: m.Channels, Bytes: make([]uint8, n*height*width*m.Channels)}

	// Every channel is a grey picture of its own. The target is RGBA, of which red is read back, because that is a pair
	// of types for which the resampler has a fast path.
	source := image.NewGray(image.Rect(0, 0, m.Width, m.Height))
	target := image.NewRGBA(image.Rect(0, 0, width, height))
	scaler := draw.BiLinear.NewScaler(width, height, m.Width, m.Height)
	for i := range n {
		from := m.Bytes[i*m.Height*m.Width*m.Channels:][:m.Height*m.Width*m.Channels]
		to := out.Bytes[i*height*width*m.Channels:][:height*width*m.Channels]
		for c := range m.Channels {
			for p := range source.Pix {
				source.Pix[p] = from[p*m.Channels+c]
			}
			scaler.Scale(target, target.Rect, source, source.Rect, draw.Src, nil)
			for p := range height * width {
				to[p*m.Channels+c] = target.Pix[4*p]
			}
		}
	}
	return out, nil
}

// Pad returns the images with a frame of the given widths, in pixels, filled with value. Only Bytes can be padded.
func (m Images) Pad(top, bottom, left, right int, value uint8) (Images, error) {
	if min(top, bottom, left, right) < 0 || max(top, bottom, left, right) > maxSide {
		return Images{}, fmt.Errorf("data: pad by %d, %d, %d, %d pixels: expected 0..%d each: %w", top, bottom, left, right, maxSide, ErrInvalid)
	}
	height, width := m.Height+top+bottom, m.Width+left+right
	if err := m.checkNewSize(height, width, m.Channels); err != nil {
		return Images{}, fmt.Errorf("data: pad: %w", err)
	}
	n := m.Len()
	out := Images{Height: height, Width: width, Channels: m.Channels, Bytes: make([]uint8, n*height*width*m.Channels)}
	if value != 0 {
		for i := range out.Bytes {
			out.Bytes[i] = value
		}
	}
	row := m.Width * m.Channels
	for i := range n {
		for y := range m.Height {
			to := ((i*height+top+y)*width + left) * m.Channels
			from := (i*m.Height + y) * row
			copy(out.Bytes[to:to+row], m.Bytes[from:from+row])
		}
	}
	return out, nil
}

// WithChannels returns the images with 1 (grey) or 3 (RGB) channels: grey is repeated, RGB becomes the luma of Rec. 601,
// 0.299 R + 0.587 G + 0.114 B. Images that have that number already are returned as they are. Only Bytes of 1 or 3 channels
// can be converted.
func (m Images) WithChannels(channels int) (Images, error) {
	out, err := m.withChannels(channels)
	if err != nil {
		return Images{}, fmt.Errorf("data: %w", err)
	}
	return out, nil
}

func (m Images) withChannels(channels int) (Images, error) {
	if channels == m.Channels {
		return m, nil
	}
	if (m.Channels != 1 && m.Channels != 3) || (channels != 1 && channels != 3) {
		return Images{}, fmt.Errorf("cannot convert images of %d channels to %d: expected 1 and 3: %w", m.Channels, channels, ErrInvalid)
	}
	if err := m.checkNewSize(m.Height, m.Width, channels); err != nil {
		return Images{}, err
	}
	out := Images{Height: m.Height, Width: m.Width, Channels: channels, Bytes: make([]uint8, len(m.Bytes)/m.Channels*channels)}
	if channels == 3 {
		for p, v := range m.Bytes {
			out.Bytes[3*p], out.Bytes[3*p+1], out.Bytes[3*p+2] = v, v, v
		}
		return out, nil
	}
	for p := range out.Bytes {
		out.Bytes[p] = luma(m.Bytes[3*p], m.Bytes[3*p+1], m.Bytes[3*p+2])
	}
	return out, nil
}

// luma is 0.299 r + 0.587 g + 0.114 b, rounded, in 16-bit fixed point; the weights add up to 1, so grey stays grey.
func luma(r, g, b uint8) uint8 {
	return uint8((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 1<<15) >> 16)
}

// checkNewSize reports why the images cannot be rewritten with these dimensions.
func (m Images) checkNewSize(height, width, channels int) error {
	if err := m.validate(); err != nil {
		return err
	}
	if m.Bytes == nil {
		return fmt.Errorf("only images stored as bytes can be resized, padded or converted: %w", ErrInvalid)
	}
	if err := checkSize(height, width, channels); err != nil {
		return err
	}
	return checkTotal(m.Len(), height, width, channels)
}

func (m Images) sizeString() string { return sizeString(m.Height, m.Width, m.Channels) }

func sizeString(height, width, channels int) string {
	return fmt.Sprintf("%d×%d×%d", height, width, channels)
}

// checkSize reports dimensions of one image that are out of range.
func checkSize(height, width, channels int) error {
	if min(height, width, channels) < 1 || max(height, width) > maxSide || channels > maxSide {
		return fmt.Errorf("images of %s (height×width×channels): expected 1..%d each: %w", sizeString(height, width, channels), maxSide, ErrInvalid)
	}
	return nil
}

// checkTotal reports a stack of n images of checked size that is too large to hold.
func checkTotal(n, height, width, channels int) error {
	size := int64(height) * int64(width) * int64(channels) // below 2⁴² by checkSize
	if int64(n) > maxImageBytes/size {
		return fmt.Errorf("%d images of %s take more than %d MiB: %w", n, sizeString(height, width, channels), maxImageBytes>>20, ErrTooLarge)
	}
	return nil
}

func finite(v float32) bool {
	return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
}
