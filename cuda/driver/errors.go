//go:build cuda && linux && (amd64 || arm64)

package driver

// #include "loader.h"
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// What errors of this package wrap.
var (
	ErrNoDriver       = errors.New("no NVIDIA driver found")
	ErrDriverTooOld   = errors.New("NVIDIA driver too old")
	ErrNoDevice       = errors.New("no NVIDIA device")
	ErrInUse          = errors.New("in use")
	ErrClosed         = errors.New("closed")
	ErrOutOfMemory    = errors.New("out of device memory")
	ErrModule         = errors.New("module rejected") // the driver does not take the PTX
	ErrNotFound       = errors.New("not found")
	ErrNotSupported   = errors.New("not supported by the driver")
	ErrInvalid        = errors.New("invalid value") // an argument that the driver refuses
	ErrLaunch         = errors.New("launch refused")
	ErrIllegalAddress = errors.New("illegal memory access in a kernel")
	// ErrDeviceLost: the context is unusable, and every later call on it fails with the same error. Close it.
	ErrDeviceLost = errors.New("device lost")
)

// Error is what a call of the driver API answered. It wraps the Err values of this package that fit.
type Error struct {
	Call        string // as cuMemAlloc
	Code        int    // CUresult
	Name        string // as CUDA_ERROR_OUT_OF_MEMORY
	Description string // the driver's words
	Log         string // of the compiler in the driver, when a module was rejected
}

func (e *Error) Error() string {
	s := fmt.Sprintf("cuda/driver: %s: %s (%s)", e.Call, e.Description, e.Name)
	if e.Log != "" {
		s += ":\n" + e.Log
	}
	return s
}

// Is tells whether the code belongs to an Err value of this package.
func (e *Error) Is(target error) bool {
	for _, s := range sentinels[C.CUresult(e.Code)] {
		if s == target {
			return true
		}
	}
	return false
}

var sentinels = map[C.CUresult][]error{
	C.CUDA_ERROR_INVALID_VALUE:            {ErrInvalid},
	C.CUDA_ERROR_OUT_OF_MEMORY:            {ErrOutOfMemory},
	C.CUDA_ERROR_STUB_LIBRARY:             {ErrNoDriver},
	C.CUDA_ERROR_NOT_INITIALIZED:          {ErrNoDriver},
	C.CUDA_ERROR_NO_DEVICE:                {ErrNoDevice},
	C.CUDA_ERROR_INVALID_DEVICE:           {ErrNoDevice},
	C.CUDA_ERROR_DEVICE_UNAVAILABLE:       {ErrNoDevice},
	C.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH:   {ErrDriverTooOld},
	C.CUDA_ERROR_INVALID_IMAGE:            {ErrModule},
	C.CUDA_ERROR_INVALID_PTX:              {ErrModule},
	C.CUDA_ERROR_INVALID_SOURCE:           {ErrModule},
	C.CUDA_ERROR_NO_BINARY_FOR_GPU:        {ErrModule},
	C.CUDA_ERROR_JIT_COMPILER_NOT_FOUND:   {ErrModule},
	C.CUDA_ERROR_UNSUPPORTED_PTX_VERSION:  {ErrModule, ErrDriverTooOld},
	C.CUDA_ERROR_JIT_COMPILATION_DISABLED: {ErrModule},
	C.CUDA_ERROR_NOT_FOUND:                {ErrNotFound},
	C.CUDA_ERROR_NOT_SUPPORTED:            {ErrNotSupported},
	C.CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES:  {ErrLaunch},
	C.CUDA_ERROR_ILLEGAL_ADDRESS:          {ErrIllegalAddress, ErrDeviceLost},
	C.CUDA_ERROR_MISALIGNED_ADDRESS:       {ErrIllegalAddress, ErrDeviceLost},
	C.CUDA_ERROR_INVALID_ADDRESS_SPACE:    {ErrIllegalAddress, ErrDeviceLost},
	C.CUDA_ERROR_LAUNCH_TIMEOUT:           {ErrDeviceLost},
	C.CUDA_ERROR_CONTEXT_IS_DESTROYED:     {ErrDeviceLost},
	C.CUDA_ERROR_ASSERT:                   {ErrDeviceLost},
	C.CUDA_ERROR_HARDWARE_STACK_ERROR:     {ErrDeviceLost},
	C.CUDA_ERROR_ILLEGAL_INSTRUCTION:      {ErrDeviceLost},
	C.CUDA_ERROR_INVALID_PC:               {ErrDeviceLost},
	C.CUDA_ERROR_LAUNCH_FAILED:            {ErrDeviceLost},
	C.CUDA_ERROR_ECC_UNCORRECTABLE:        {ErrDeviceLost},
	C.CUDA_ERROR_NVLINK_UNCORRECTABLE:     {ErrDeviceLost},
	C.CUDA_ERROR_UNKNOWN:                  {ErrDeviceLost},
}

// call makes an error of what a driver call answered, nil of success.
func call(name string, r C.CUresult) error {
	if r == C.CUDA_SUCCESS {
		return nil
	}
	e := &Error{Call: name, Code: int(r), Name: fmt.Sprintf("CUresult %d", int(r)), Description: "failed"}
	var s *C.char
	if C.cuGetErrorName(r, &s) == C.CUDA_SUCCESS && s != nil {
		e.Name = C.GoString(s)
	}
	if C.cuGetErrorString(r, &s) == C.CUDA_SUCCESS && s != nil {
		e.Description = strings.TrimSpace(C.GoString(s))
	}
	if r == C.CUDA_ERROR_NOT_SUPPORTED && Version() > 0 {
		e.Description += fmt.Sprintf(", or unknown to this driver (CUDA %s)", versionString(Version()))
	}
	return e
}

// throughCu makes an error of what cu returned. Its errors are of an unexported type whose value is the code.
func throughCu(name string, err error) error {
	if err == nil {
		return nil
	}
	if v := reflect.ValueOf(err); v.Kind() == reflect.Int {
		return call(name, C.CUresult(v.Int()))
	}
	return fmt.Errorf("cuda/driver: %s: %w", name, err)
}
