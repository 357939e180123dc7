//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"fovea/backend"
	"fovea/cuda/driver"
	"fovea/cuda/internal/lower"
	"fovea/cuda/internal/pool"
)

func init() { backend.Register("cuda", 2, open) }

// device is the Backend.
type device struct {
	info    backend.Info
	lower   lower.Device
	context *driver.Context
	stream  *driver.Stream // all work is ordered in it
	memory  *pool.Pool
	staging *staging
	modules *modules
	// separate gives scratch buffers and workspaces allocations of their own.
	separate bool

	// lifetime is held for reading by whoever uses the device, so that Close waits
	// for them.
	lifetime sync.RWMutex
	closed   bool

	ledger sync.Mutex
	held   map[holder]bool
}

// holder is what holds memory of a device: a tensor or an Executable.
type holder interface {
	// drop lets go of the memory.
	drop() error
}

const (
	// leastCapability is that of Turing, the oldest chips that the kernels are
	// compiled for.
	leastCapability = 75
	// probe is the smallest file of kernels. Open loads it, so that a driver that
	// refuses fovea's PTX is known before anybody relies on it.
	probe = "average"
	// idleShare is the part of the device's memory that may lie idle in the pool.
	idleShare = 16
)

func open(name string, _ backend.Options) (backend.Backend, error) {
	c, err := parse(name)
	if err == nil {
		var d *device
		if d, err = start(c); err == nil {
			return d, nil
		}
	}
	full := "cuda"
	if name != "" {
		full += ":" + name
	}
	return nil, fmt.Errorf("cuda: Open %q: %w", full, meaning(err))
}

// choice is what the name of a device says.
type choice struct {
	ordinal int
	variant lower.Variant
}

// variants are the words that may follow a slash.
var variants = []struct {
	word    string
	variant lower.Variant
}{{"implicit", lower.Implicit}, {"explicit", lower.Explicit}}

// parse reads what follows the colon in "cuda:0/explicit".
func parse(name string) (c choice, err error) {
	ordinal, word, varied := strings.Cut(name, "/")
	if ordinal != "" {
		n, err := strconv.ParseUint(ordinal, 10, 16)
		if err != nil {
			return c, fmt.Errorf("%w: device %q, expected a number, 0 for the first", backend.ErrUnknownBackend, ordinal)
		}
		c.ordinal = int(n)
	}
	if !varied {
		return c, nil
	}
	var words []string
	for _, v := range variants {
		if v.word == word {
			c.variant = v.variant
			return c, nil
		}
		words = append(words, v.word)
	}
	return c, fmt.Errorf("%w: variant %q, expected one of %s", backend.ErrUnknownBackend, word, strings.Join(words, ", "))
}

// start opens the chosen device.
func start(c choice) (_ *device, err error) {
	context, err := driver.Open(c.ordinal)
	if err != nil {
		return nil, err
	}
	d := &device{context: context, held: map[holder]bool{}, modules: newModules(context), info: describe(context.Device())}
	if c.variant != lower.Implicit {
		d.info.Name += "/" + variants[c.variant].word
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.end())
		}
	}()
	capability := context.Device().Capability
	if capability < leastCapability {
		return nil, fmt.Errorf("%w: %s, fovea's kernels need %s", backend.ErrUnsupported, d.info.Device, version(leastCapability))
	}
	d.lower = lower.Device{Capability: capability, Variant: c.variant}
	if d.stream, err = context.NewStream(); err != nil {
		return nil, err
	}
	if err := d.modules.load(probe); err != nil {
		return nil, err
	}
	d.separate = separate()
	idle := context.Device().Memory / idleShare
	if d.separate {
		idle = 0
	}
	d.memory = pool.New(source{context}, idle)
	d.staging = &staging{context: context, stream: d.stream, most: mostStaging}
	return d, nil
}

// separate tells whether each scratch buffer gets an allocation of its own.
func separate() bool {
	if v := os.Getenv("FOVEA_CUDA_SEPARATE"); v != "" {
		return v != "0"
	}
	return driver.Simulated()
}

// describe tells what a person wants to know of a GPU.
func describe(d driver.DeviceInfo) backend.Info {
	return backend.Info{
		Name:    fmt.Sprintf("cuda:%d", d.Ordinal),
		Device:  fmt.Sprintf("%s, compute capability %s, %s", d.Name, version(d.Capability), size(d.Memory)),
		Threads: 1,
	}
}

func version(capability int) string { return fmt.Sprintf("%d.%d", capability/10, capability%10) }

// Devices describes every GPU of this machine by the name that backend.Open takes,
// or says why there is none. The error wraps backend.ErrUnsupported.
func Devices() ([]backend.Info, error) {
	devices, err := driver.Devices()
	if err != nil {
		return nil, fmt.Errorf("cuda: %w", meaning(err))
	}
	infos := make([]backend.Info, len(devices))
	for i, d := range devices {
		infos[i] = describe(d)
	}
	return infos, nil
}

// Info implements backend.Backend. Threads has no meaning here.
func (d *device) Info() backend.Info { return d.info }

// Memory implements backend.Backend.
func (d *device) Memory() backend.MemoryUse { return d.memory.Use() }

// Close implements backend.Backend. It waits for runs in progress, and reports what
// failed in them if nobody has heard of it yet.
func (d *device) Close() error {
	d.lifetime.Lock()
	defer d.lifetime.Unlock()
	err := backend.ErrClosed
	if !d.closed {
		d.closed = true
		err = d.end()
	}
	if err != nil {
		return fmt.Errorf("cuda: Close: %w", meaning(err))
	}
	return nil
}

// end gives everything back, as far as the device was started.
func (d *device) end() error {
	var errs []error
	if d.stream != nil {
		errs = append(errs, d.stream.Synchronize())
	}
	for h := range d.held {
		errs = append(errs, h.drop())
	}
	clear(d.held)
	if d.staging != nil {
		errs = append(errs, d.staging.close())
	}
	if d.memory != nil {
		errs = append(errs, d.memory.Trim())
	}
	errs = append(errs, d.modules.close())
	if d.stream != nil {
		errs = append(errs, d.stream.Close())
	}
	// A device that is lost refuses each of these calls; with its context goes all
	// that they would have given back, and one error tells enough.
	first := errors.Join(errs...)
	for _, err := range errs {
		if errors.Is(err, driver.ErrDeviceLost) {
			first = err
			break
		}
	}
	return errors.Join(first, d.context.Close())
}

// hold enters a holder of memory, which Close drops if nobody else has.
func (d *device) hold(h holder) {
	d.ledger.Lock()
	defer d.ledger.Unlock()
	d.held[h] = true
}

// release strikes a holder and makes it drop its memory.
func (d *device) release(h holder) error {
	d.ledger.Lock()
	delete(d.held, h)
	d.ledger.Unlock()
	return h.drop()
}
