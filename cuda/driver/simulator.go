//go:build cuda && linux && (amd64 || arm64)

package driver

// #include "shims.h"
// #include "loader.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// Life says what kernels may do with a range of memory, for the simulated driver to check.
type Life int

// The lives.
const (
	Live          Life = iota // read where it was written, and written
	Dead                      // not touched; the content is lost
	Uninitialised             // written, and read once it was written
)

// Simulated tells whether the driver in use is fovea's simulated one, of cuda/sim.
func Simulated() bool { return simulator("foveaSimNameRange") != nil }

// NameRange gives part of an allocation a name, for the messages of the simulated driver, and a life. It takes effect in the
// order of calls, not of streams. On any other driver it does nothing.
func (c *Context) NameRange(a Address, bytes int, name string, life Life) error {
	f := simulator("foveaSimNameRange")
	if f == nil {
		return nil
	}
	if err := c.use("NameRange"); err != nil {
		return err
	}
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	r := C.fovea_sim_name_range(c.ctx, f, C.CUdeviceptr(a), C.size_t(bytes), n, C.int(life))
	if err := call("foveaSimNameRange", r); err != nil {
		return fmt.Errorf("%w: %d bytes at %#x as %q", err, bytes, uint64(a), name)
	}
	return nil
}

// ForgetRanges drops the names inside an allocation.
func (c *Context) ForgetRanges(allocation Address) error {
	f := simulator("foveaSimForgetRanges")
	if f == nil {
		return nil
	}
	if err := c.use("ForgetRanges"); err != nil {
		return err
	}
	return call("foveaSimForgetRanges", C.fovea_sim_forget_ranges(c.ctx, f, C.CUdeviceptr(allocation)))
}

func simulator(name string) unsafe.Pointer {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	return C.fovea_driver_symbol(n)
}
