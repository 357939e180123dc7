package data

import (
	"fmt"
	"slices"
)

// Set is an in-memory set of examples: images, each with a label (classification) or a vector of targets (regression), and
// a normalisation that is applied when pixels are read. It never changes after it is made, so any number of goroutines may
// read it. Subset, Split and Normalized return views: new Sets over the same storage.
type Set struct {
	*storage
	name   string
	rows   []int32 // the stored images that this set shows, in order; nil for all of them
	normal Normalization
	scale  []float32 // value = pixel·scale[c] + shift[c]
	shift  []float32
}

// storage is what a set shares with its views.
type storage struct {
	images      Images
	labels      []int32 // one per image, nil for regression
	classes     []string
	targets     []float32 // [image, len(targetNames)], nil for classification
	targetNames []string
}

func (t *storage) bytes() int64 {
	return int64(len(t.images.Bytes)) + 4*int64(len(t.images.Floats)+len(t.labels)+len(t.targets))
}

// NewClassification returns a set of images with one label each, label l meaning classes[l]. The slices are kept, not
// copied. It refuses a label outside 0..len(classes)-1 and names the example.
func NewClassification(name string, images Images, labels []int32, classes []string) (*Set, error) {
	if err := checkImages(name, images); err != nil {
		return nil, err
	}
	if len(labels) != images.Len() {
		return nil, fmt.Errorf("data: %s: %d labels for %d images: %w", name, len(labels), images.Len(), ErrFormat)
	}
	if len(classes) == 0 {
		return nil, fmt.Errorf("data: %s: no class names: %w", name, ErrInvalid)
	}
	for i, l := range labels {
		if l < 0 || int(l) >= len(classes) {
			return nil, fmt.Errorf("data: %s: label of example %d is %d, expected 0..%d: %w", name, i, l, len(classes)-1, ErrFormat)
		}
	}
	s := &Set{name: name, storage: &storage{images: images, labels: labels, classes: classes}}
	return s.Normalized(Normalization{})
}

// NewRegression returns a set of images with len(targetNames) targets each, row by row. The slices are kept, not copied.
// It refuses a target that is NaN or infinite and names the example.
func NewRegression(name string, images Images, targets []float32, targetNames []string) (*Set, error) {
	if err := checkImages(name, images); err != nil {
		return nil, err
	}
	d := len(targetNames)
	if d == 0 {
		return nil, fmt.Errorf("data: %s: no target names: %w", name, ErrInvalid)
	}
	if len(targets) != images.Len()*d {
		return nil, fmt.Errorf("data: %s: %d target values for %d images of %d targets: %w", name, len(targets), images.Len(), d, ErrFormat)
	}
	for i, v := range targets {
		if !finite(v) {
			return nil, fmt.Errorf("data: %s: target %q of example %d is %v, expected a finite number: %w", name, targetNames[i%d], i/d, v, ErrFormat)
		}
	}
	s := &Set{name: name, storage: &storage{images: images, targets: targets, targetNames: targetNames}}
	return s.Normalized(Normalization{})
}

// checkImages reports images that no set can be made of. Rows are int32, as the backends' indices are.
func checkImages(name string, images Images) error {
	if err := images.validate(); err != nil {
		return fmt.Errorf("data: %s: %w", name, err)
	}
	if images.Len() > 1<<31-1 {
		return fmt.Errorf("data: %s: %d images, expected at most 2³¹−1: %w", name, images.Len(), ErrTooLarge)
	}
	return nil
}

// Name returns the name given when the set was made, with the part's name after a split: "digits/train".
func (s *Set) Name() string { return s.name }

// Len returns the number of examples.
func (s *Set) Len() int {
	if s.rows != nil {
		return len(s.rows)
	}
	return s.images.Len()
}

// Size returns the dimensions of one image.
func (s *Set) Size() (height, width, channels int) {
	return s.images.Height, s.images.Width, s.images.Channels
}

// Classes returns the names of the classes, nil for a regression set. Do not modify it.
func (s *Set) Classes() []string { return s.classes }

// TargetNames returns the names of the targets, nil for a classification set. Do not modify it.
func (s *Set) TargetNames() []string { return s.targetNames }

// Regression tells whether examples carry targets instead of labels.
func (s *Set) Regression() bool { return s.targets != nil }

// Images returns the storage that the set shares with all its views; example i of the set is image Row(i) of it. It is
// meant for uploading a whole set to a device once and sending row numbers afterwards. Do not modify it.
func (s *Set) Images() Images { return s.images }

// Row returns where example i lies in the storage. Like a slice, it panics for an i outside 0..Len()-1.
func (s *Set) Row(i int) int {
	if s.rows != nil {
		return int(s.rows[i])
	}
	return i
}

// Label returns the label of example i of a classification set.
func (s *Set) Label(i int) int32 { return s.labels[s.Row(i)] }

// Target returns the targets of example i of a regression set. Do not modify it.
func (s *Set) Target(i int) []float32 {
	d, row := len(s.targetNames), s.Row(i)
	return s.targets[row*d : (row+1)*d : (row+1)*d]
}

// Counts returns the number of examples of each class, nil for a regression set.
func (s *Set) Counts() []int {
	if s.labels == nil {
		return nil
	}
	counts := make([]int, len(s.classes))
	for i := range s.Len() {
		counts[s.Label(i)]++
	}
	return counts
}

// CopyImage writes the normalised pixels of example i to dst, which holds height·width·channels values.
func (s *Set) CopyImage(dst []float32, i int) {
	channels := s.images.Channels
	size := s.images.Height * s.images.Width * channels
	start := s.Row(i) * size
	dst = dst[:size]
	if s.images.Bytes == nil {
		scaleShift(dst, s.images.Floats[start:start+size], s.scale, s.shift)
		return
	}
	scaleShift(dst, s.images.Bytes[start:start+size], s.scale, s.shift)
}

// scaleShift computes dst[p, c] = src[p, c]·scale[c] + shift[c] for every pixel p and channel c.
func scaleShift[T uint8 | float32](dst []float32, src []T, scale, shift []float32) {
	if len(scale) == 1 {
		a, b := scale[0], shift[0]
		for i, v := range src {
			dst[i] = float32(v)*a + b
		}
		return
	}
	for i := 0; i < len(src); i += len(scale) {
		for c, a := range scale {
			dst[i+c] = float32(src[i+c])*a + shift[c]
		}
	}
}

// Bytes returns the memory that the set itself takes: for a view its row numbers, for a whole set the images, labels and
// targets.
func (s *Set) Bytes() int64 {
	if s.rows != nil {
		return 4 * int64(len(s.rows))
	}
	return s.bytes()
}

// Resized returns the set with its images brought to another size and number of channels, as Images.Resize and
// Images.WithChannels do; 0 keeps a dimension. The images are new, labels and targets shared; the normalisation is kept
// where the number of channels is, and dropped elsewhere. A set that fits already is returned as it is.
func (s *Set) Resized(height, width, channels int) (*Set, error) {
	images := s.images
	if height == 0 {
		height = images.Height
	}
	if width == 0 {
		width = images.Width
	}
	if channels == 0 {
		channels = images.Channels
	}
	if height == images.Height && width == images.Width && channels == images.Channels {
		return s, nil
	}
	images, err := images.resize(height, width)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", s.name, err)
	}
	if images, err = images.withChannels(channels); err != nil {
		return nil, fmt.Errorf("data: %s: %w", s.name, err)
	}
	resized, stored := *s, *s.storage
	stored.images = images
	resized.storage = &stored
	if channels != s.images.Channels {
		return resized.Normalized(Normalization{})
	}
	return &resized, nil
}

// renamed returns a view with another name.
func (s *Set) renamed(name string) *Set {
	view := *s
	view.name = name
	return &view
}

// Subset returns a view of the given examples, in that order; an example may be named more than once.
func (s *Set) Subset(name string, examples []int) (*Set, error) {
	if len(examples) == 0 {
		return nil, fmt.Errorf("data: subset %s of %s would be empty: %w", name, s.name, ErrInvalid)
	}
	rows := make([]int32, len(examples))
	for i, e := range examples {
		if e < 0 || e >= s.Len() {
			return nil, fmt.Errorf("data: subset %s of %s names example %d, expected 0..%d: %w", name, s.name, e, s.Len()-1, ErrInvalid)
		}
		rows[i] = int32(s.Row(e))
	}
	view := *s
	view.name, view.rows = name, rows
	return &view, nil
}

// Normalization returns the normalisation that CopyImage and loaders apply; its zero value means none.
func (s *Set) Normalization() Normalization {
	return Normalization{Mean: slices.Clone(s.normal.Mean), Std: slices.Clone(s.normal.Std)}
}

// Normalized returns a view whose pixels are read as (pixel − mean)/std, replacing any normalisation that s had.
func (s *Set) Normalized(n Normalization) (*Set, error) {
	scale, shift, err := n.ScaleShift(s.images.Channels)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", s.name, err)
	}
	view := *s
	view.normal = Normalization{Mean: slices.Clone(n.Mean), Std: slices.Clone(n.Std)}
	view.scale, view.shift = scale, shift
	return &view, nil
}
