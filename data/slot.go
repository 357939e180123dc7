package data

import "gorgonia.org/tensor"

// slot is one place of a Loader's ring: buffers for a batch, and the headers that show them as tensors, made once.
type slot struct {
	run   uint64 // the Start that it was filled for
	batch *Batch // full or short

	images  []float32 // nil, as all but rows, where only these are filled
	labels  []int32
	targets []float32
	weights []float32
	rows    []int32

	full  *Batch // all rows
	short *Batch // the remainder of the set; nil where batches are padded or none is short
}

func newSlot(set *Set, config LoaderConfig) *slot {
	s := &slot{rows: make([]int32, config.Batch)}
	if !config.RowsOnly {
		height, width, channels := set.Size()
		s.images = make([]float32, config.Batch*height*width*channels)
		s.weights = make([]float32, config.Batch)
		if set.Regression() {
			s.targets = make([]float32, config.Batch*len(set.targetNames))
		} else {
			s.labels = make([]int32, config.Batch)
		}
	}
	s.full = s.view(set, config.Batch)
	if rest := set.Len() % config.Batch; rest > 0 && !config.PadLast {
		s.short = s.view(set, rest)
	}
	return s
}

// view makes tensors over the first n rows of the buffers.
func (s *slot) view(set *Set, n int) *Batch {
	b := &Batch{N: n, Rows: s.rows[:n]}
	if s.images == nil {
		return b
	}
	height, width, channels := set.Size()
	b.Images = tensor.New(tensor.WithShape(n, height, width, channels), tensor.WithBacking(s.images[:n*height*width*channels]))
	b.Weights = tensor.New(tensor.WithShape(n), tensor.WithBacking(s.weights[:n]))
	if set.Regression() {
		d := len(set.targetNames)
		b.Targets = tensor.New(tensor.WithShape(n, d), tensor.WithBacking(s.targets[:n*d]))
	} else {
		b.Labels = tensor.New(tensor.WithShape(n), tensor.WithBacking(s.labels[:n]))
	}
	return b
}

// fill makes the slot hold the given examples of the set, which begin at position of the epoch, and zeros in the rows after
// them where batches are padded.
func (s *slot) fill(set *Set, examples []int32, position int) {
	s.batch = s.full
	if len(examples) < s.full.N && s.short != nil {
		s.batch = s.short
	}
	s.batch.Examples, s.batch.Position = len(examples), position
	for i, e := range examples {
		s.rows[i] = int32(set.Row(int(e)))
	}
	clear(s.rows[len(examples):s.batch.N])
	if s.images == nil {
		return
	}

	height, width, channels := set.Size()
	size, d := height*width*channels, len(set.targetNames)
	for i, e := range examples {
		set.CopyImage(s.images[i*size:], int(e))
		if set.Regression() {
			copy(s.targets[i*d:], set.Target(int(e)))
		} else {
			s.labels[i] = set.Label(int(e))
		}
		s.weights[i] = 1
	}
	used, n := len(examples), s.batch.N
	clear(s.images[used*size : n*size])
	clear(s.weights[used:n])
	if set.Regression() {
		clear(s.targets[used*d : n*d])
	} else {
		clear(s.labels[used:n])
	}
}
