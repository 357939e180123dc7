// Package reference is the oracle: a backend that computes each Op in float64,
// straight from the formula in its doc comment, with plain loops. Other backends
// are held to it. Importing it registers the backend "reference", which "auto"
// never picks.
//
// Float32 tensors are kept as float64 from end to end and can be written from and
// read into float64 host arrays, so that finite differences and training curves
// can be taken at full precision. Sums run in a fixed order, whatever the number
// of threads.
package reference

import (
	"fmt"
	"math"
	"runtime"
	"sync"

	"fovea/backend"
)

func init() { backend.Register("reference", 0, open) }

func open(name string, o backend.Options) (backend.Backend, error) {
	if name != "" {
		return nil, fmt.Errorf(`reference: Open "reference:%s": %w: there are no devices to choose from, expected reference`, name, backend.ErrUnknownBackend)
	}
	threads := o.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &device{threads: threads, held: map[holder]int64{}}, nil
}

// device is the Backend.
type device struct {
	threads int

	// lifetime is held for reading by whoever uses memory of the device, so that
	// Close waits for them.
	lifetime sync.RWMutex
	closed   bool

	ledger sync.Mutex
	held   map[holder]int64 // bytes
	use    backend.MemoryUse
}

// holder is what holds memory of a device: a tensor or an Executable.
type holder interface {
	// drop lets go of the memory.
	drop()
}

// Info implements backend.Backend.
func (d *device) Info() backend.Info {
	return backend.Info{Name: "reference", Device: "float64 loops in Go, the oracle for other backends", Threads: d.threads}
}

// Memory implements backend.Backend. What an Op allocates while it runs is left
// to the garbage collector and not counted.
func (d *device) Memory() backend.MemoryUse {
	d.ledger.Lock()
	defer d.ledger.Unlock()
	return d.use
}

// Close implements backend.Backend. It waits for runs in progress.
func (d *device) Close() error {
	d.lifetime.Lock()
	defer d.lifetime.Unlock()
	if d.closed {
		return fmt.Errorf("reference: Close: %w", backend.ErrClosed)
	}
	d.closed = true
	for h := range d.held {
		h.drop()
		d.release(h)
	}
	return nil
}

// hold enters memory into the ledger.
func (d *device) hold(h holder, bytes int64) {
	d.ledger.Lock()
	defer d.ledger.Unlock()
	d.held[h] = bytes
	d.use.InUse += bytes
	d.use.Peak = max(d.use.Peak, d.use.InUse)
}

// release strikes memory from the ledger.
func (d *device) release(h holder) {
	d.ledger.Lock()
	defer d.ledger.Unlock()
	d.use.InUse -= d.held[h]
	delete(d.held, h)
}

// array is the memory of a tensor or scratch buffer, in the one slice that its
// element type asks for.
type array struct {
	floats []float64
	ints   []int32
	bytes  []uint8
}

func newArray(t backend.DType, elements int) (array, error) {
	if elements > math.MaxInt32 {
		return array{}, fmt.Errorf("%w: %d elements in one array, expected at most %d", backend.ErrMemory, elements, math.MaxInt32)
	}
	switch t {
	case backend.Float32:
		return array{floats: make([]float64, elements)}, nil
	case backend.Int32:
		return array{ints: make([]int32, elements)}, nil
	case backend.Uint8:
		return array{bytes: make([]uint8, elements)}, nil
	}
	return array{}, fmt.Errorf("%w: %v", backend.ErrType, t)
}

func (a array) size() int64 {
	return int64(8*len(a.floats) + 4*len(a.ints) + len(a.bytes))
}

// poison makes contents that no Op can use unnoticed.
func (a array) poison() {
	for i := range a.floats {
		a.floats[i] = math.NaN()
	}
	for i := range a.ints {
		a.ints[i] = math.MaxInt32
	}
	for i := range a.bytes {
		a.bytes[i] = 0xA5
	}
}
