package cpu

import (
	"fmt"
	"runtime"
	"strings"
	"sync"

	"fovea/backend"
	"fovea/cpu/internal/gemm"
	"fovea/cpu/internal/lanes"
	"fovea/cpu/internal/vec"
	"fovea/cpu/internal/winograd"
)

func init() { backend.Register("cpu", 1, open) }

// device is the Backend.
type device struct {
	name     string
	gemm     *gemm.Kernel
	vec      *vec.Kernel
	winograd *winograd.Kernel
	lanes    *lanes.Kernel
	workers  *workers
	limits   limits
	// allocate returns zero bytes for whatever the device holds; tests give others than
	// aligned does.
	allocate func(n int) ([]byte, error)
	// algorithm forces one way to compute convolutions where it is possible, so that
	// tests can see each do all cases.
	algorithm algorithm

	// lifetime is held for reading by whoever uses memory of the device, so that
	// Close waits for them.
	lifetime sync.RWMutex
	closed   bool

	ledger sync.Mutex
	held   map[holder]int64 // bytes
	use    backend.MemoryUse
	arenas []*arena // by size
}

// holder is what holds memory of a device: a tensor, an Executable or an arena.
type holder interface {
	// drop lets go of the memory.
	drop()
}

func open(instructions string, o backend.Options) (backend.Backend, error) {
	d := &device{name: "cpu", allocate: aligned, held: map[holder]int64{}}
	if err := d.choose(instructions); err != nil {
		return nil, err
	}
	threads := o.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	d.workers = newWorkers(min(threads, maxThreads))
	return d, nil
}

// choose selects the kernels of an instruction set, the best one if none is
// named.
func (d *device) choose(instructions string) error {
	d.gemm, d.vec, d.winograd = gemm.Default(), vec.Default(), winograd.Default()
	d.lanes = lanes.Of(d.gemm.Name())
	if instructions == "" {
		return nil
	}
	var names []string
	for _, k := range gemm.Kernels() {
		names = append(names, k.Name())
		if k.Name() == instructions {
			d.name = "cpu:" + instructions
			d.gemm = k
			d.vec = vectors(instructions)
			d.winograd = transforms(instructions)
			d.lanes = lanes.Of(instructions)
			return nil
		}
	}
	return fmt.Errorf("cpu: Open %q: %w: this machine runs %s", "cpu:"+instructions, backend.ErrUnsupported, strings.Join(names, ", "))
}

// vectors returns the vector loops of an instruction set, or the portable ones.
func vectors(instructions string) *vec.Kernel {
	all := vec.Kernels()
	for _, k := range all {
		if k.Name() == instructions {
			return k
		}
	}
	return all[len(all)-1]
}

// transforms returns Winograd's transforms of an instruction set, or the portable ones.
func transforms(instructions string) *winograd.Kernel {
	all := winograd.Kernels()
	for _, k := range all {
		if k.Name() == instructions {
			return k
		}
	}
	return all[len(all)-1]
}

// Info implements backend.Backend.
func (d *device) Info() backend.Info {
	return backend.Info{Name: d.name, Device: processor() + ", " + d.gemm.Name(), Threads: d.workers.threads}
}

// Memory implements backend.Backend.
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
		return fmt.Errorf("cpu: Close: %w", backend.ErrClosed)
	}
	d.closed = true
	for h := range d.held {
		h.drop()
		d.release(h)
	}
	d.arenas = nil
	d.workers.close()
	return nil
}

// hold enters memory into the ledger.
func (d *device) hold(h holder, bytes int64) {
	d.ledger.Lock()
	defer d.ledger.Unlock()
	d.enter(h, bytes)
}

// release strikes memory from the ledger.
func (d *device) release(h holder) {
	d.ledger.Lock()
	defer d.ledger.Unlock()
	d.strike(h)
}

// enter and strike are hold and release for those who hold the ledger.
func (d *device) enter(h holder, bytes int64) {
	d.held[h] = bytes
	d.use.InUse += bytes
	d.use.Peak = max(d.use.Peak, d.use.InUse)
}

func (d *device) strike(h holder) {
	d.use.InUse -= d.held[h]
	delete(d.held, h)
}
