//go:build cuda && linux && (amd64 || arm64)

package driver

//go:generate go run ./internal/trampolines ../include/cuda.h trampolines.c

/*
#cgo LDFLAGS: -L${SRCDIR}/lib -ldl -lpthread
#include "loader.h"
*/
import "C"

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"
)

// retained counts contexts ever retained: the driver cannot be exchanged after the first.
var retained atomic.Int64

// Use loads the driver library at path in place of the one in use. It fails with ErrInUse once a device was opened,
// and otherwise as Status does; then no driver is in use.
func Use(path string) error {
	if retained.Load() > 0 {
		return fmt.Errorf("cuda/driver: cannot use %s: a device of %s was opened already: %w", path, Path(), ErrInUse)
	}
	if path == "" {
		return fmt.Errorf("cuda/driver: Use: no path: %w", ErrInvalid)
	}
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	C.fovea_driver_load(p)
	return Status()
}

// Status returns nil if a driver was found and has a device. Otherwise the error wraps ErrNoDriver (with the places that were
// searched), ErrDriverTooOld or ErrNoDevice, or says what the driver answered.
func Status() error {
	for _, name := range environment {
		os.Getenv(name)
	}
	s := C.fovea_driver_status()
	switch {
	case s.loaded == 0:
		return fmt.Errorf("cuda/driver: %w: %s", ErrNoDriver, C.GoString(&s.message[0]))
	case s.result != C.CUDA_SUCCESS:
		err := call("cuInit", s.result)
		return fmt.Errorf("%w, by %s", err, C.GoString(&s.path[0]))
	}
	if v := Version(); v < MinimumVersion {
		return fmt.Errorf("cuda/driver: %w: %s supports CUDA %s, and fovea needs %s", ErrDriverTooOld,
			C.GoString(&s.path[0]), versionString(v), versionString(MinimumVersion))
	}
	n, err := DeviceCount()
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("cuda/driver: %w: %s lists none", ErrNoDevice, C.GoString(&s.path[0]))
	}
	return nil
}

// Path returns the file name of the driver library in use, "" if there is none.
func Path() string {
	s := C.fovea_driver_status()
	return C.GoString(&s.path[0])
}

// environment is what the driver libraries read. Status reads it too, so that the cache of go test knows of it.
var environment = []string{"FOVEA_CUDA_DRIVER", "FOVEA_SIM_CAPABILITY", "FOVEA_SIM_VERSION", "FOVEA_SIM_DEVICES", "FOVEA_SIM_MEMORY",
	"FOVEA_SIM_SEED", "FOVEA_SIM_WORKERS", "FOVEA_SIM_RACES", "FOVEA_SIM_FAULT"}

// MinimumVersion is the oldest CUDA version whose driver fovea works with, 1000·major + 10·minor. Older drivers refuse the
// PTX that fovea ships.
const MinimumVersion = 11080

// Version returns the newest CUDA version that the driver supports, 1000·major + 10·minor, 0 if there is no driver.
func Version() int {
	var v C.int
	if C.cuDriverGetVersion(&v) != C.CUDA_SUCCESS {
		return 0
	}
	return int(v)
}

func versionString(v int) string { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) }
