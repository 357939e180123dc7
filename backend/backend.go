package backend

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"

	"gorgonia.org/tensor"
)

// Backend is one device that runs Programs. It may be used from many
// goroutines.
type Backend interface {
	// Info describes the device.
	Info() Info
	// NewTensor allocates a tensor filled with zeros.
	NewTensor(spec TensorSpec) (Tensor, error)
	// Compile checks p, plans its memory and prepares it to run on the bound
	// tensors, one for each bound buffer of p by name. It fails, naming the
	// Op, where the backend cannot run one.
	Compile(p *Program, bind map[string]Tensor) (Executable, error)
	// Memory tells what the backend holds at present and what it held at most.
	Memory() MemoryUse
	// Close releases everything that was allocated, tensors and Executables
	// included; they answer ErrClosed from then on.
	Close() error
}

// Info describes the device of a Backend.
type Info struct {
	Name    string // as in Open: "cpu", "reference", "cuda:0"
	Device  string // what a person calls it: processor, instruction set
	Threads int    // goroutines that share the work of one Op; 1 where that has no meaning
}

// MemoryUse counts the bytes of tensors, planned scratch and workspace.
type MemoryUse struct {
	InUse, Peak int64
}

// TensorSpec says what a Tensor holds.
type TensorSpec struct {
	Name  string // for error messages
	DType DType
	Shape Shape
	// Limit, if positive, is the exclusive upper bound of the values of an Int32
	// tensor, whose lower bound is 0: the number of classes for labels, of rows
	// for indices. Write checks it.
	Limit int
}

// Validate reports a shape or a type that no tensor has, or a Limit of what is no Int32.
// Errors have no prefix.
func (s TensorSpec) Validate() error {
	switch err := s.Shape.Validate(); {
	case err != nil:
		return err
	case s.DType > Uint8:
		return fmt.Errorf("%w: %v", ErrType, s.DType)
	case s.Limit > 0 && s.DType != Int32:
		return fmt.Errorf("%w: a Limit of %d goes with int32, found %v", ErrType, s.Limit, s.DType)
	}
	return nil
}

// Tensor is an array in a backend's memory. It lives until Free or until its
// Backend is closed.
type Tensor interface {
	Spec() TensorSpec
	// Write copies host data into the tensor: as many elements as it has, of the
	// same type (the reference backend takes float64 too). The copy is done when
	// Write returns, and is ordered before the next Run. Values outside the
	// declared Limit are refused with an error that names the element, and then
	// nothing is written.
	Write(host *tensor.Dense) error
	// Read waits for the runs that write the tensor and copies it to the host.
	Read(host *tensor.Dense) error
	// Version rises with every Write and with every Run that writes the tensor,
	// so that what was derived from it (packed weights) can be kept up to date.
	Version() uint64
	Free() error
}

// Executable is a Program that is ready to run. It is used by one goroutine at a
// time; a second one gets ErrBusy.
type Executable interface {
	// Run enqueues one execution and may return before it is complete; Read on a
	// tensor it writes waits for it. A bound tensor may be read by many runs at
	// once or written by one: a conflict is ErrBusy, and nothing has run. A
	// context that is already cancelled is returned as its error; a run that has
	// begun is finished.
	Run(ctx context.Context) error
	// Memory is what the Executable's scratch and workspace take.
	Memory() int64
	Close() error
}

// Options are the settings of Open.
type Options struct {
	// Threads bounds the goroutines that compute one Op; 0 means one for each
	// processor. Results do not depend on it.
	Threads int
	// PassedOver, if set, hears why Open("auto") takes a family of backends other
	// than the best that is registered: it is called for each that does not work
	// here, before the next is tried.
	PassedOver func(family string, cause error)
}

// Opener opens a device of a backend family; device is what follows the colon in
// the name given to Open, empty where there is none. It wraps ErrUnknownBackend where
// no machine has such a device, and ErrUnsupported where only this one has not.
type Opener func(device string, o Options) (Backend, error)

type family struct {
	open Opener
	rank int
}

var registry = struct {
	sync.Mutex
	families map[string]family
}{families: map[string]family{}}

// Register makes a backend family known to Open, usually from the init function
// of its package. Open("auto") tries the families with a positive rank, highest
// first.
func Register(name string, rank int, open Opener) {
	registry.Lock()
	defer registry.Unlock()
	if _, ok := registry.families[name]; ok {
		panic("BUG: backend " + name + " registered twice")
	}
	registry.families[name] = family{open, rank}
}

// Names lists the registered backend families in alphabetical order.
func Names() []string {
	registry.Lock()
	defer registry.Unlock()
	names := make([]string, 0, len(registry.families))
	for n := range registry.families {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Open opens a backend by name: "cpu", "reference", "cuda:0" (a family and,
// after a colon, a device or variant), or "auto" for the best that works here. A
// name that no machine could open is ErrUnknownBackend; one that this machine, or
// this build, cannot open is ErrUnsupported.
func Open(name string, o Options) (Backend, error) {
	if o.Threads < 0 {
		return nil, fmt.Errorf("backend: Open %q: Threads is %d, expected 0 or more", name, o.Threads)
	}
	if name == "auto" {
		return openAuto(o)
	}
	kind, device, chosen := strings.Cut(name, ":")
	registry.Lock()
	f, ok := registry.families[kind]
	registry.Unlock()
	if !ok {
		return nil, fmt.Errorf("backend: Open %q: %w, expected auto or one of %s (a backend's package must be imported)",
			name, ErrUnknownBackend, strings.Join(Names(), ", "))
	}
	if chosen && device == "" {
		return nil, fmt.Errorf("backend: Open %q: %w: no device follows the colon, expected %s or %s:DEVICE", name, ErrUnknownBackend, kind, kind)
	}
	return f.open(device, o)
}

func openAuto(o Options) (Backend, error) {
	registry.Lock()
	var names []string
	for n, f := range registry.families {
		if f.rank > 0 {
			names = append(names, n)
		}
	}
	sort.Slice(names, func(i, j int) bool {
		return registry.families[names[i]].rank > registry.families[names[j]].rank
	})
	families := make([]family, len(names))
	for i, n := range names {
		families[i] = registry.families[n]
	}
	registry.Unlock()
	var causes []string
	for i, f := range families {
		b, err := f.open("", o)
		if err == nil {
			return b, nil
		}
		causes = append(causes, names[i]+": "+err.Error())
		if o.PassedOver != nil {
			o.PassedOver(names[i], err)
		}
	}
	if causes == nil {
		return nil, fmt.Errorf(`backend: Open "auto": %w: no backend package is imported`, ErrUnknownBackend)
	}
	return nil, fmt.Errorf(`backend: Open "auto": %w: %s`, ErrUnsupported, strings.Join(causes, "; "))
}
