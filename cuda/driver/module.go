//go:build cuda && linux && (amd64 || arm64)

package driver

// #include "shims.h"
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"gorgonia.org/cu"
)

// Module is PTX that the driver compiled for the device of a context.
type Module struct {
	context *Context
	name    string
	cu      cu.Module
	loaded  bool
}

// Load compiles PTX; name says in errors what it is. An error wraps ErrModule if the driver does not take the PTX, then with
// the log of its compiler, and also ErrDriverTooOld if the PTX is too new for the driver.
func (c *Context) Load(name string, ptx []byte) (*Module, error) {
	if len(ptx) == 0 || bytes.IndexByte(ptx, 0) >= 0 {
		return nil, fmt.Errorf("cuda/driver: module %s: not a PTX text: %w", name, ErrModule)
	}
	m := &Module{context: c, name: name}
	err := c.locked("cuModuleLoadData", func() (err error) {
		m.cu, err = cu.LoadData(string(ptx))
		return err
	})
	if err != nil {
		var e *Error
		if errors.As(err, &e) && errors.Is(e, ErrModule) {
			e.Log = c.compilerLog(ptx)
		}
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	m.loaded = true
	return m, nil
}

// compilerLog loads PTX once more to learn what the compiler in the driver says about it. cu cannot tell: it hides the buffers
// of its options behind uintptr, and drops the lengths.
func (c *Context) compilerLog(ptx []byte) string {
	image := C.CString(string(ptx))
	defer C.free(unsafe.Pointer(image))
	const size = 16 << 10
	log := (*C.char)(C.calloc(1, size))
	if log == nil {
		return ""
	}
	defer C.free(unsafe.Pointer(log))
	C.fovea_module_log(c.ctx, image, log, size)
	return strings.TrimSpace(C.GoString(log))
}

// Close unloads the module.
func (m *Module) Close() error {
	if !m.loaded {
		return nil
	}
	m.loaded = false
	return m.context.locked("cuModuleUnload", func() error { return m.cu.Unload() })
}

// Function returns a kernel of the module. The error wraps ErrNotFound if there is none of that name.
func (m *Module) Function(name string) (*Function, error) {
	if !m.loaded {
		return nil, fmt.Errorf("cuda/driver: function %s of module %s: %w", name, m.name, ErrClosed)
	}
	f := &Function{context: m.context, name: name}
	err := m.context.locked("cuModuleGetFunction", func() (err error) {
		f.cu, err = m.cu.Function(name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("function %s of module %s: %w", name, m.name, err)
	}
	f.f = C.CUfunction(handle(f.cu))
	return f, nil
}

// Function is a kernel. It lives as long as its module.
type Function struct {
	context *Context
	name    string
	cu      cu.Function
	f       C.CUfunction
}

// Name returns the name of the kernel.
func (f *Function) Name() string { return f.name }

// FunctionInfo is what the driver tells about a kernel.
type FunctionInfo struct {
	MaxThreadsPerBlock int
	StaticShared       int // bytes a block
	Const              int // bytes
	Local              int // bytes a thread: spilled registers and stack
	Registers          int // a thread
	PTXVersion         int // 10·major + minor of the target in the PTX, e.g. 75
	BinaryVersion      int // 10·major + minor of the compiled code
}

// Info asks the driver about the kernel.
func (f *Function) Info() (FunctionInfo, error) {
	var info FunctionInfo
	for _, a := range []struct {
		attribute cu.FunctionAttribute
		to        *int
	}{
		{cu.FnMaxThreadsPerBlock, &info.MaxThreadsPerBlock},
		{cu.SharedSizeBytes, &info.StaticShared},
		{cu.ConstSizeBytes, &info.Const},
		{cu.LocalSizeBytes, &info.Local},
		{cu.NumRegs, &info.Registers},
		{cu.PtxVersion, &info.PTXVersion},
		{cu.BinaryVersion, &info.BinaryVersion},
	} {
		err := f.context.locked("cuFuncGetAttribute", func() (err error) {
			*a.to, err = f.cu.Attribute(a.attribute)
			return err
		})
		if err != nil {
			return info, fmt.Errorf("function %s: %w", f.name, err)
		}
	}
	return info, nil
}

// SetDynamicShared permits launches with up to that many bytes of dynamic shared memory. It is needed above 48 KiB, and fails
// above DeviceInfo.SharedPerBlock less what the kernel uses statically.
func (f *Function) SetDynamicShared(bytes int) error {
	if err := f.context.use("SetDynamicShared"); err != nil {
		return err
	}
	if bytes < 0 || bytes > f.context.info.SharedPerBlock {
		return fmt.Errorf("cuda/driver: function %s: %d bytes of dynamic shared memory, the device has %d a block: %w",
			f.name, bytes, f.context.info.SharedPerBlock, ErrInvalid)
	}
	r := C.fovea_function_set(f.context.ctx, f.f, C.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, C.int(bytes))
	if err := call("cuFuncSetAttribute", r); err != nil {
		return fmt.Errorf("function %s: %w", f.name, err)
	}
	return nil
}
