package cpu

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"fovea/backend"
)

// alignment is a cache line and the widest vector, in bytes.
const alignment = 64

// aligned returns n zero bytes that start at a multiple of alignment. The error
// wraps backend.ErrMemory.
func aligned(n int) ([]byte, error) {
	if n >= largeRequest {
		if free, known := freeMemory(); known && int64(n) > free {
			return nil, fmt.Errorf("%w: %d MiB asked for, %d MiB free", backend.ErrMemory, n>>20, free>>20)
		}
	}
	b := make([]byte, n+alignment)
	skip := int(-uintptr(unsafe.Pointer(&b[0])) & (alignment - 1))
	return b[skip : skip+n : skip+n], nil
}

// largeRequest is from when on it is asked whether there is enough memory, since Go
// ends the process if there is not.
const largeRequest = 64 << 20

// freeMemory returns how many bytes Linux could still give to this process: those
// of the machine or, if less, of the control group.
func freeMemory() (free int64, known bool) {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(info)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			free, known = kilobytes<<10, err == nil
		}
	}
	limit, ok := readNumber("/sys/fs/cgroup/memory.max") // "max" where there is none
	used, ok2 := readNumber("/sys/fs/cgroup/memory.current")
	if known && ok && ok2 {
		free = min(free, max(limit-used, 0))
	}
	return free, known
}

func readNumber(file string) (n int64, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}

// element is a type of numbers in memory.
type element interface {
	float32 | float64 | int32 | uint8
}

// as returns the bytes, which are aligned for it, as numbers.
func as[T element](b []byte) []T {
	var v T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(v)))
}

// layout collects what an instruction needs of workspace.
type layout struct {
	bytes int
}

// region is a part of a workspace: n elements for each of some owners.
type region struct {
	at, n, stride, owners int
}

// reserve adds a region of n elements of a size, for each of the owners. Owners
// share no cache line.
func (l *layout) reserve(owners, n, size int) region {
	r := region{l.bytes, n, (n*size + alignment - 1) &^ (alignment - 1), owners}
	l.bytes += owners * r.stride
	return r
}

func (l *layout) floats(n int) region { return l.reserve(1, n, 4) }

func (l *layout) doubles(n int) region { return l.reserve(1, n, 8) }

// in returns the region of the first owner.
func in[T element](work []byte, r region) []T { return each[T](work, r)[0] }

// each returns the regions of all owners.
func each[T element](work []byte, r region) [][]T {
	var v T
	regions := make([][]T, r.owners)
	for i := range regions {
		at := r.at + i*r.stride
		regions[i] = as[T](work[at : at+r.n*int(unsafe.Sizeof(v))])
	}
	return regions
}

// operand returns the elements of a view; nil if it is absent.
func operand[T element](c *compiler, v backend.View) []T {
	if !v.Present() {
		return nil
	}
	return as[T](c.memory[v.Buffer][v.Offset : v.Offset+v.Bytes()])
}

func (c *compiler) floats(v backend.View) []float32 { return operand[float32](c, v) }

func (c *compiler) ints(v backend.View) []int32 { return operand[int32](c, v) }
