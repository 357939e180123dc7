package data

import (
	"fmt"
	"math"
)

// Normalization maps a pixel value v of channel c to (v − Mean[c]) / Std[c]. Both are in units of the stored pixels, 0..255
// for images of bytes, one value per channel. The zero value leaves pixels as they are. A network must see every image under
// the normalisation it was trained with, so it belongs in the checkpoint.
type Normalization struct {
	Mean []float32 `json:"mean,omitempty"`
	Std  []float32 `json:"std,omitempty"`
}

// ScaleShift returns the factors of the same map written v·scale[c] + shift[c], for images of the given number of channels.
func (n Normalization) ScaleShift(channels int) (scale, shift []float32, err error) {
	scale, shift = make([]float32, channels), make([]float32, channels)
	if len(n.Mean) == 0 && len(n.Std) == 0 {
		for c := range scale {
			scale[c] = 1
		}
		return scale, shift, nil
	}
	if len(n.Mean) != channels || len(n.Std) != channels {
		return nil, nil, fmt.Errorf("normalization has %d means and %d standard deviations for %d channels: %w", len(n.Mean), len(n.Std), channels, ErrInvalid)
	}
	for c := range scale {
		if !finite(n.Mean[c]) || !finite(n.Std[c]) || n.Std[c] <= 0 {
			return nil, nil, fmt.Errorf("normalization of channel %d has mean %v and standard deviation %v, expected finite and positive: %w", c, n.Mean[c], n.Std[c], ErrInvalid)
		}
		scale[c] = float32(1 / float64(n.Std[c]))
		shift[c] = float32(-float64(n.Mean[c]) / float64(n.Std[c]))
		if !finite(scale[c]) || !finite(shift[c]) {
			return nil, nil, fmt.Errorf("normalization of channel %d by standard deviation %v overflows: %w", c, n.Std[c], ErrInvalid)
		}
	}
	return scale, shift, nil
}

// Apply normalises pixels in place; they are whole images in NHWC order with the given number of channels.
func (n Normalization) Apply(pixels []float32, channels int) error {
	if channels < 1 || len(pixels)%channels != 0 {
		return fmt.Errorf("data: normalize %d values of %d channels: not a whole number of pixels: %w", len(pixels), channels, ErrInvalid)
	}
	scale, shift, err := n.ScaleShift(channels)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	scaleShift(pixels, pixels, scale, shift)
	return nil
}

// Statistics returns the mean and (biased) standard deviation of every channel over the set's examples, before any
// normalisation. A channel that never varies gets the standard deviation 1: subtracting its mean is all that can be done.
//
// It is meant for the training part: statistics of held-out examples must not reach the network.
func (s *Set) Statistics() Normalization {
	channels := s.images.Channels
	n := Normalization{Mean: make([]float32, channels), Std: make([]float32, channels)}
	count := float64(s.Len() * s.images.Height * s.images.Width)
	for c := range channels {
		var mean, variance float64
		if s.images.Bytes != nil {
			// Integers are exact: 255²·2⁴⁸ pixels would still fit.
			sum, squares := s.byteSums(c)
			mean = float64(sum) / count
			variance = float64(squares)/count - mean*mean
		} else {
			mean = s.floatMean(c, func(v float64) float64 { return v })
			variance = s.floatMean(c, func(v float64) float64 { return (v - mean) * (v - mean) })
		}
		n.Mean[c], n.Std[c] = float32(mean), float32(math.Sqrt(max(variance, 0)))
		if n.Std[c] == 0 {
			n.Std[c] = 1
		}
	}
	return n
}

func (s *Set) byteSums(c int) (sum, squares uint64) {
	size := s.images.Height * s.images.Width * s.images.Channels
	for i := range s.Len() {
		pixels := s.images.Bytes[s.Row(i)*size:][:size]
		for p := c; p < size; p += s.images.Channels {
			v := uint64(pixels[p])
			sum += v
			squares += v * v
		}
	}
	return sum, squares
}

// floatMean returns the mean of f over channel c of all examples, in their order.
func (s *Set) floatMean(c int, f func(float64) float64) float64 {
	size := s.images.Height * s.images.Width * s.images.Channels
	sum := 0.0
	for i := range s.Len() {
		pixels := s.images.Floats[s.Row(i)*size:][:size]
		for p := c; p < size; p += s.images.Channels {
			sum += f(float64(pixels[p]))
		}
	}
	return sum / float64(s.Len()*s.images.Height*s.images.Width)
}
