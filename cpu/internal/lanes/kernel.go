package lanes

import (
	"fmt"
	"unsafe"
)

// A productKernel does what [Kernel.Products] does, for as many rows as its name says. Distances are in bytes; aJump and bJump are those from the end of a run to
// the beginning of the next.
type productKernel func(depth, runs int, a *float32, aRow, aStep, aJump int, b *float32, bStep, bJump int, c *float32, cRow, lanes int, accumulate bool)

// A dotKernel does what [Kernel.Dots] does, for as many rows and shifts as its name says. Distances are in bytes.
type dotKernel func(n, runs int, a *float32, aRow, aRun int, b *float32, bRun int, sums *float32)

// Kernel is one implementation for one instruction set. It is immutable and safe for concurrent use.
type Kernel struct {
	name     string
	lanes    int             // of a vector
	products []productKernel // of 1, 2, 3, … rows
	dots     [][]dotKernel   // of 1, 2, 3, … rows and shifts
}

// Kernels returns the implementations that run on this machine, fastest first; the portable one is last and always there.
func Kernels() []*Kernel { return append([]*Kernel(nil), kernels...) }

// Of returns the implementation for an instruction set, or the portable one.
func Of(name string) *Kernel {
	for _, k := range kernels {
		if k.name == name {
			return k
		}
	}
	return kernels[len(kernels)-1]
}

var kernels = append(machineKernels(), &portable)

// Name returns the name of the instruction set: "avx512", "avx2", "neon" or "portable".
func (k *Kernel) Name() string { return k.name }

// Products is a sum of products of vectors, for some rows:
//
//	c[i·CRow + j] = Σ a[i·ARow + run·ARun + p·AStep + j] · b[run·BRun + p·BStep + j]
//
// over Runs stretches of Depth steps p, for lanes j < Lanes; or += with Accumulate.
type Products struct {
	Rows, Lanes, Depth, Runs int
	ARow, AStep, ARun        int
	BStep, BRun              int
	CRow                     int
	Accumulate               bool
}

// Products computes a sum of products. It allocates nothing.
func (k *Kernel) Products(f *Products, a, b, c []float32) {
	if f.Rows < 1 || f.Lanes < 1 || f.Depth < 1 || f.Runs < 1 {
		return
	}
	needA := (f.Rows-1)*f.ARow + (f.Depth-1)*f.AStep + (f.Runs-1)*f.ARun + f.Lanes
	needB := (f.Depth-1)*f.BStep + (f.Runs-1)*f.BRun + f.Lanes
	if min(f.ARow, f.AStep, f.ARun, f.BStep, f.BRun) < 0 || f.CRow < f.Lanes || len(a) < needA || len(b) < needB || len(c) < (f.Rows-1)*f.CRow+f.Lanes {
		panic(fmt.Sprintf("BUG: lanes: products %+v of %d, %d and %d elements", *f, len(a), len(b), len(c)))
	}
	for i := 0; i < f.Rows; {
		h := min(f.Rows-i, len(k.products))
		k.products[h-1](f.Depth, f.Runs, &a[i*f.ARow], 4*f.ARow, 4*f.AStep, 4*(f.ARun-f.Depth*f.AStep),
			&b[0], 4*f.BStep, 4*(f.BRun-f.Depth*f.BStep), &c[i*f.CRow], 4*f.CRow, f.Lanes, f.Accumulate)
		i += h
	}
}

// Dots are dot products of rows with the shifts of another row, in Runs stretches of N elements:
//
//	sums of (i, j) += Σ a[i·ARow + run·ARun + p] · b[run·BRun + p + j]
type Dots struct {
	Rows, Shifts, N, Runs int
	ARow, ARun, BRun      int
}

// SizeDots returns how many float32 the sums of dot products take: a vector for each.
func (k *Kernel) SizeDots(rows, shifts int) int { return rows * shifts * k.lanes }

// Dots adds dot products to sums, which are folded at the end. It allocates nothing.
func (k *Kernel) Dots(f *Dots, a, b, sums []float32) {
	if f.Rows < 1 || f.Shifts < 1 || f.N < 1 || f.Runs < 1 {
		return
	}
	if min(f.ARow, f.ARun, f.BRun) < 0 || len(a) < (f.Rows-1)*f.ARow+(f.Runs-1)*f.ARun+f.N || len(b) < (f.Runs-1)*f.BRun+f.N+f.Shifts-1 ||
		len(sums) < k.SizeDots(f.Rows, f.Shifts) {
		panic(fmt.Sprintf("BUG: lanes: dots %+v of %d and %d elements into %d", *f, len(a), len(b), len(sums)))
	}
	at := 0
	for i := 0; i < f.Rows; {
		rows := min(f.Rows-i, len(k.dots))
		for j := 0; j < f.Shifts; {
			shifts := min(f.Shifts-j, len(k.dots[rows-1]))
			k.dots[rows-1][shifts-1](f.N, f.Runs, &a[i*f.ARow], 4*f.ARow, 4*f.ARun, &b[j], 4*f.BRun, &sums[at])
			at += k.SizeDots(rows, shifts)
			j += shifts
		}
		i += rows
	}
}

// Fold adds up the lanes of dot products: that of row i and shift j goes to dst[i·row + j·shift].
func (k *Kernel) Fold(dst, sums []float32, rows, shifts, row, shift int) {
	at := 0
	for i := 0; i < rows; {
		high := min(rows-i, len(k.dots))
		for j := 0; j < shifts; {
			wide := min(shifts-j, len(k.dots[high-1]))
			for u := range high {
				for v := range wide {
					sum := float32(0)
					for _, x := range sums[at : at+k.lanes] {
						sum += x
					}
					dst[(i+u)*row+(j+v)*shift] = sum
					at += k.lanes
				}
			}
			j += wide
		}
		i += high
	}
}

// after returns the address some bytes from p, where there is an element.
func after(p *float32, bytes int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), bytes)) }
