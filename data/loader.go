package data

import (
	"fmt"
	"io"
	"sync"

	"gorgonia.org/tensor"
)

// LoaderConfig says how a Loader forms batches.
type LoaderConfig struct {
	// Batch is the number of examples in a batch, at least 1.
	Batch int

	// Seed orders the examples: the order of an epoch is a function of (Seed, epoch).
	Seed uint64

	// InOrder keeps the order of the set, for evaluation.
	InOrder bool

	// PadLast fills the last batch up to Batch rows with zeros of weight 0, for evaluation by a program of fixed batch
	// size. Without it, the last batch is short.
	PadLast bool

	// RowsOnly fills nothing but Batch.Rows, for a set that was uploaded to a device before; a batch then has neither Images,
	// Labels, Targets nor Weights.
	RowsOnly bool

	// Ahead is how many batches are prepared while one is in use; 0 means 2.
	Ahead int
}

// Batch is what a Loader yields. Its tensors belong to the Loader and stay as they are until the next call of Next or Start;
// a Loader with RowsOnly makes none.
type Batch struct {
	Images  *tensor.Dense // [N, H, W, C] float32, normalised
	Labels  *tensor.Dense // [N] int32; nil for regression
	Targets *tensor.Dense // [N, D] float32; nil for classification
	Weights *tensor.Dense // [N] float32: 1 for an example, 0 for padding

	N        int     // rows of every tensor
	Examples int     // the first Examples rows are real; N unless padded
	Position int     // examples of the epoch before this batch
	Rows     []int32 // [N] where each image lies in the set's storage, as Set.Row says; 0 for padding
}

// Loader yields the batches of an epoch, prepared by a goroutine of its own in a ring of buffers that are allocated once:
// stepping allocates nothing. Start and Next are for one goroutine; Close may be called from any.
type Loader struct {
	set    *Set
	config LoaderConfig
	slots  []*slot

	// Owned by the goroutine that calls Start and Next.
	run  uint64 // number of the last Start, which tells batches of an abandoned epoch from current ones
	next int    // position in the epoch of the batch to come
	held *slot  // the slot whose batch the caller is using

	starts chan start
	free   chan *slot // each slot is in free, in ready, held by the caller, or being filled
	ready  chan *slot

	closing   chan struct{}
	closeOnce sync.Once
	closed    sync.WaitGroup
}

// start is the order to prepare the batches of one epoch from a position on.
type start struct {
	run      uint64
	epoch    int
	position int
}

// NewLoader returns a Loader over set, which must be closed.
func NewLoader(set *Set, config LoaderConfig) (*Loader, error) {
	if config.Batch < 1 {
		return nil, fmt.Errorf("data: loader of %s: batch of %d examples, expected at least 1: %w", set.name, config.Batch, ErrInvalid)
	}
	if config.Ahead < 0 || config.Ahead > 1024 {
		return nil, fmt.Errorf("data: loader of %s: %d batches ahead, expected 0..1024: %w", set.name, config.Ahead, ErrInvalid)
	}
	if config.Ahead == 0 {
		config.Ahead = 2
	}
	if !config.PadLast {
		// Rows that no batch will ever use need no buffer.
		config.Batch = min(config.Batch, set.Len())
	}
	height, width, channels := set.Size()
	if err := checkTotal(config.Batch, height, width, channels); err != nil {
		return nil, fmt.Errorf("data: loader of %s: batch: %w", set.name, err)
	}
	count := config.Ahead + 1
	l := &Loader{
		set: set, config: config, next: set.Len(),
		starts: make(chan start), free: make(chan *slot, count), ready: make(chan *slot, count),
		closing: make(chan struct{}),
	}
	for range count {
		s := newSlot(set, config)
		l.slots = append(l.slots, s)
		l.free <- s
	}
	l.closed.Add(1)
	go l.prepare()
	return l, nil
}

// Batches returns the number of batches in an epoch.
func (l *Loader) Batches() int {
	return (l.set.Len() + l.config.Batch - 1) / l.config.Batch
}

// Bytes returns the memory that the loader's buffers take.
func (l *Loader) Bytes() int64 {
	total := 4 * int64(l.set.Len()) // the order of the epoch
	for _, s := range l.slots {
		total += 4 * int64(len(s.images)+len(s.labels)+len(s.targets)+len(s.weights)+len(s.rows))
	}
	return total
}

// Start begins an epoch, numbered from 0, at a position: the number of examples of it that were used before, 0 for a whole
// epoch. The position must be a multiple of the batch size or the number of examples. An epoch under way is abandoned.
func (l *Loader) Start(epoch, position int) error {
	n := l.set.Len()
	if epoch < 0 {
		return fmt.Errorf("data: loader of %s: epoch %d, expected at least 0: %w", l.set.name, epoch, ErrInvalid)
	}
	if position < 0 || position > n || (position%l.config.Batch != 0 && position != n) {
		return fmt.Errorf("data: loader of %s: position %d, expected a multiple of the batch size %d, or %d: %w", l.set.name, position, l.config.Batch, n, ErrInvalid)
	}
	l.run++
	l.next = position
	l.release()
	select {
	case l.starts <- start{run: l.run, epoch: epoch, position: position}:
		return nil
	case <-l.closing:
		return fmt.Errorf("data: loader of %s: %w", l.set.name, ErrClosed)
	}
}

// Next returns the next batch of the epoch, io.EOF after the last one or before Start, and ErrClosed after Close.
func (l *Loader) Next() (*Batch, error) {
	l.release()
	select {
	case <-l.closing:
		return nil, fmt.Errorf("data: loader of %s: %w", l.set.name, ErrClosed)
	default:
	}
	if l.next >= l.set.Len() {
		return nil, io.EOF
	}
	for {
		select {
		case s := <-l.ready:
			if s.run != l.run {
				l.free <- s
				continue
			}
			l.held = s
			l.next += s.batch.Examples
			return s.batch, nil
		case <-l.closing:
			return nil, fmt.Errorf("data: loader of %s: %w", l.set.name, ErrClosed)
		}
	}
}

// Close stops the goroutine and waits for it. It may be called more than once.
func (l *Loader) Close() {
	l.closeOnce.Do(func() { close(l.closing) })
	l.closed.Wait()
}

// release gives the batch in use back to be filled again. The channel holds all slots, so it never blocks.
func (l *Loader) release() {
	if l.held != nil {
		l.free <- l.held
		l.held = nil
	}
}

// prepare is the loader's goroutine: it fills every free slot with the next batch of the epoch, and sleeps when there is no
// slot or no batch.
func (l *Loader) prepare() {
	defer l.closed.Done()
	n := l.set.Len()
	examples := make([]int32, n)
	shuffler := &order{}
	current := start{position: n}
	for {
		free := l.free
		if current.position >= n {
			free = nil // nothing to do until the next Start
		}
		select {
		case current = <-l.starts:
			for i := range examples {
				examples[i] = int32(i)
			}
			if !l.config.InOrder {
				shuffler.reset(purposeEpoch, l.config.Seed, uint64(current.epoch))
				shuffler.shuffle(examples)
			}
		case s := <-free:
			to := min(current.position+l.config.Batch, n)
			s.run = current.run
			s.fill(l.set, examples[current.position:to], current.position)
			current.position = to
			l.ready <- s // holds all slots: never blocks
		case <-l.closing:
			return
		}
	}
}
