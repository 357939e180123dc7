//go:build cuda && linux && (amd64 || arm64)

package driver

// #include "shims.h"
// #include "loader.h"
import "C"

import (
	"fmt"
	"strconv"
	"strings"
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

// KernelCount sums up what all launches of a kernel did since the start of the process or ResetCounts, at the level of PTX.
type KernelCount struct {
	Name     string
	Launches int64

	Blocks, Warps                      int64
	WarpInstructions, LaneInstructions int64 // a warp's instruction counts once, and once for each active lane
	FLOPs                              int64

	// Requests are instructions of a warp, sectors have 32 bytes, bytes are the distinct ones that lanes asked for.
	GlobalLoadRequests, GlobalLoadSectors, GlobalLoadBytes    int64
	GlobalStoreRequests, GlobalStoreSectors, GlobalStoreBytes int64

	// Wavefronts are passes over the 32 banks; ideal is Σ⌈distinct bytes of a request/128⌉.
	SharedLoadRequests, SharedLoadWavefronts, SharedLoadIdeal    int64
	SharedStoreRequests, SharedStoreWavefronts, SharedStoreIdeal int64

	Branches, DivergentBranches, Barriers int64
}

// KernelCounts returns the counters of the simulated driver, by name of the kernel; none on any other driver.
func KernelCounts() ([]KernelCount, error) {
	var counts []KernelCount
	for line := range strings.Lines(simulatorText(simulatorCounts)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		k := KernelCount{Name: fields[0]}
		to := []*int64{&k.Launches, &k.Blocks, &k.Warps, &k.WarpInstructions, &k.LaneInstructions, &k.FLOPs,
			&k.GlobalLoadRequests, &k.GlobalLoadSectors, &k.GlobalLoadBytes,
			&k.GlobalStoreRequests, &k.GlobalStoreSectors, &k.GlobalStoreBytes,
			&k.SharedLoadRequests, &k.SharedLoadWavefronts, &k.SharedLoadIdeal,
			&k.SharedStoreRequests, &k.SharedStoreWavefronts, &k.SharedStoreIdeal,
			&k.Branches, &k.DivergentBranches, &k.Barriers}
		if len(fields) != 1+len(to) {
			return nil, fmt.Errorf("cuda/driver: the simulated driver's counters have %d fields, want %d: built from other sources?",
				len(fields), 1+len(to))
		}
		for i, p := range to {
			n, err := strconv.ParseInt(fields[i+1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("cuda/driver: counters of %s: %w", k.Name, err)
			}
			*p = n
		}
		counts = append(counts, k)
	}
	return counts, nil
}

// Leaks describes what had not been freed when contexts were released, as the simulated driver saw it; nil on any other driver.
// Memory, pinned memory, modules, streams, events and graphs count.
func Leaks() []string {
	text := strings.TrimSpace(simulatorText(simulatorLeaks))
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// ResetCounts forgets counters and leaks.
func ResetCounts() { simulatorText(simulatorReset) }

// What foveaSimText is asked for.
const (
	simulatorCounts = iota
	simulatorLeaks
	simulatorReset
)

func simulatorText(what int) string {
	f := simulator("foveaSimText")
	if f == nil {
		return ""
	}
	size := C.fovea_sim_text(f, C.int(what), nil, 0) + 1
	text := (*C.char)(C.calloc(1, size))
	if text == nil {
		return ""
	}
	defer C.free(unsafe.Pointer(text))
	if what != simulatorReset {
		C.fovea_sim_text(f, C.int(what), text, size)
	}
	return C.GoString(text)
}

func simulator(name string) unsafe.Pointer {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	return C.fovea_driver_symbol(n)
}
