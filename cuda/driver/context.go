//go:build cuda && linux && (amd64 || arm64)

package driver

// #include "shims.h"
import "C"

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"gorgonia.org/cu"
)

// Context is the primary context of a device: what the CUDA runtime, and every other library in the process, uses too.
type Context struct {
	info   DeviceInfo
	device cu.Device
	cu     cu.CUContext
	ctx    C.CUcontext
	closed atomic.Bool
}

// Open retains the primary context of a device.
func Open(ordinal int) (*Context, error) {
	if err := Status(); err != nil {
		return nil, err
	}
	d, err := device(ordinal)
	if err != nil {
		return nil, err
	}
	info, err := describe(d, ordinal)
	if err != nil {
		return nil, err
	}
	retained.Add(1)
	c := &Context{info: info, device: d}
	if c.cu, err = d.RetainPrimaryCtx(); err != nil {
		return nil, fmt.Errorf("device %d: %w", ordinal, throughCu("cuDevicePrimaryCtxRetain", err))
	}
	c.ctx = C.CUcontext(handle(c.cu))
	return c, nil
}

// Device describes the device of the context.
func (c *Context) Device() DeviceInfo { return c.info }

// Close releases the context; the last release in the process frees all that the context still holds. Later uses fail with
// ErrClosed.
func (c *Context) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return throughCu("cuDevicePrimaryCtxRelease", c.device.ReleasePrimaryCtx())
}

// Synchronize waits for all work on the device, and returns the error of what failed in it.
func (c *Context) Synchronize() error {
	if err := c.use("Synchronize"); err != nil {
		return err
	}
	return call("cuCtxSynchronize", C.fovea_ctx_synchronize(c.ctx))
}

// MemoryInfo returns the free and the total memory of the device, in bytes.
func (c *Context) MemoryInfo() (free, total int64, err error) {
	err = c.locked("cuMemGetInfo", func() error {
		free, total, err = cu.MemInfo()
		return err
	})
	return free, total, err
}

// use refuses a closed context.
func (c *Context) use(what string) error {
	if c.closed.Load() {
		return fmt.Errorf("cuda/driver: %s: context of device %d: %w", what, c.info.Ordinal, ErrClosed)
	}
	return nil
}

// locked runs a call through cu on a thread whose current context is c.
func (c *Context) locked(name string, f func() error) error {
	if err := c.use(name); err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cu.SetCurrentContext(c.cu); err != nil {
		return throughCu("cuCtxSetCurrent", err)
	}
	return throughCu(name, f())
}

// handle returns what cu keeps in its wrappers: each is a struct of one pointer to an opaque C struct.
func handle[T cu.CUContext | cu.Module | cu.Function | cu.Stream | cu.Event | cu.Graph](wrapper T) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&wrapper))
}
