// Package lanes multiplies vectors lane by lane, for convolutions that no matrix product fits: depthwise ones, whose lanes are the channels, and the
// gradients of a few filters of a few channels, whose lanes are the pixels.
//
// There is an implementation for AVX-512, one for AVX2, one for NEON, and a portable one. Each sums in an order that follows from the sizes alone.
package lanes
