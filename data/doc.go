// Package data holds labelled images and brings them to a training loop.
//
// A [Set] keeps images as they came, one byte a channel where the source has bytes, with a label or a vector of targets for
// each. [Open] finds a set by name ("digits", "mnist", "folder:DIR", …) and splits it; [Set.Split], [Set.Subset] and
// [Set.Normalized] return views that share the images. A [Loader] fills batches ahead of the loop that uses them.
//
// Images lie in NHWC order (batch, height, width, channel), and their values are grey levels 0..255 before normalisation,
// whatever the range of the source, so that a picture given to a trained network later means the same.
//
// Batches are *tensor.Dense of gorgonia.org/tensor: float32 pixels, int32 labels, float32 targets and weights.
package data

import "errors"

// Errors that callers tell apart with errors.Is. Missing files wrap fs.ErrNotExist as everywhere.
var (
	// ErrFormat marks content that is not what its format demands: wrong magic numbers, truncated or oversized files,
	// labels out of range, images of unequal size.
	ErrFormat = errors.New("bad format")

	// ErrInvalid marks an argument that makes no sense: a batch of 0 examples, fractions above 1, an empty subset.
	ErrInvalid = errors.New("invalid argument")

	// ErrSpecification marks a specification that Open could not take whatever files there are: a folder where the set has
	// none, or none where it needs one.
	ErrSpecification = errors.New("bad specification")

	// ErrUnknown marks the name of a data set that does not exist.
	ErrUnknown = errors.New("unknown data set")

	// ErrTooLarge marks input that declares more than this package is willing to hold in memory.
	ErrTooLarge = errors.New("too large")

	// ErrChecksum marks a downloaded file whose content is not the published one.
	ErrChecksum = errors.New("checksum mismatch")

	// ErrClosed is returned by a Loader that was closed.
	ErrClosed = errors.New("closed")
)
