package gemm

import "fmt"

// A Block is the form of a product of small matrices, C = A·B or C += A·B, whose operands the micro-kernels read where they lie: nothing
// needs to be packed. The inner index is cut into Runs stretches of Depth, and indices are in elements:
//
//	A element (i, run·Depth + p) is a[i·ARow + run·ARun + p·AStep]
//	B element (run·Depth + p, j) is b[run·BRun + p·BStep + j]
//	C element (i, j)             is c[i·CRow + j]
//
// So A may be a matrix, its transpose, or the patches of an image: rows are neighbouring output pixels, a run is one row of a filter's taps,
// and ARun is the distance of two rows of the image. B's columns lie side by side; its rows may overlap.
//
// If ARow is 0, A is packed by [Kernel.PackA], Runs·Depth deep; if BStep is 0, B is packed by [Kernel.PackB].
//
// Micro-kernels broadcast elements of A and multiply them by vectors of B: the longer side of C belongs to the columns.
type Block struct {
	Rows, Cols, Depth, Runs int
	ARow, AStep, ARun       int
	BStep, BRun             int
	CRow                    int
	Accumulate              bool

	// What follows, while C is in registers: C += Bias in every row, and C = ReLU(C), with NaN for NaN and +0 for −0.
	Bias []float32 // Cols of them, or nil
	ReLU bool
}

// Block computes a product. It allocates nothing.
func (k *Kernel) Block(f *Block, a, b, c []float32) {
	if f.Rows < 1 || f.Cols < 1 || f.Depth < 1 || f.Runs < 1 {
		return
	}
	f.check(k, len(a), len(b), len(c))
	depth := f.Depth * f.Runs
	aRow, aStep, aJump := 4*f.ARow, 4*f.AStep, 4*(f.ARun-f.Depth*f.AStep)
	bStep, bJump := 4*f.BStep, 4*(f.BRun-f.Depth*f.BStep)
	if f.ARow == 0 {
		aRow, aStep, aJump = 4, 4*f.Rows, 0 // aStep if there is one panel
	}
	if f.BStep == 0 {
		bJump = 0
	}
	if f.Rows == 1 && f.BStep != 0 && len(k.rows) > 0 {
		for j := 0; j < f.Cols; {
			w := min(f.Cols-j, len(k.rows)*k.rowUnit)
			k.rows[(w-1)/k.rowUnit](1, f.Depth, f.Runs, &a[0], 0, aRow, aStep, aJump, &b[j], 0, bStep, bJump, &c[j], 0, 0, w, f.Accumulate, f.biasFrom(j), 0, f.ReLU)
			j += w
		}
		return
	}
	for j := 0; j < f.Cols; {
		width := k.widthIndex(f.Cols - j)
		w := k.widths[width]
		panelB, bTile := j, 4*w
		if f.BStep == 0 {
			panelB, bTile, bStep = j*depth, 4*w*depth, 4*w
		}
		if across := (f.Cols - j) / w; f.Rows <= k.MR() && across > 1 {
			bias, biasTile := f.biasFrom(j), 0
			if bias != nil {
				biasTile = 4 * w
			}
			k.micro[f.Rows-1][width](across, f.Depth, f.Runs, &a[0], 0, aRow, aStep, aJump, &b[panelB], bTile, bStep, bJump,
				&c[j], 4*f.CRow, 4*(w-f.Rows*f.CRow), w, f.Accumulate, bias, biasTile, f.ReLU)
			j += across * w
			continue
		}
		for i := 0; i < f.Rows; {
			rest := f.Rows - i
			h := k.PanelA(rest)
			tiles := rest / h
			if tiles > 1 && tiles*h < rest {
				tiles-- // what remains beyond that is cut evenly
			}
			panelA, aTile := i*f.ARow, h*aRow
			if f.ARow == 0 {
				panelA, aTile, aStep = i*depth, 4*h*depth, 4*h
			}
			k.micro[h-1][width](tiles, f.Depth, f.Runs, &a[panelA], aTile, aRow, aStep, aJump, &b[panelB], 0, bStep, bJump,
				&c[i*f.CRow+j], 4*f.CRow, 0, min(w, f.Cols-j), f.Accumulate, f.biasFrom(j), 0, f.ReLU)
			i += tiles * h
		}
		j += w
	}
}

// biasFrom returns where the bias of column j lies.
func (f *Block) biasFrom(j int) *float32 {
	if f.Bias == nil {
		return nil
	}
	return &f.Bias[j]
}

// check panics unless everything that is read or written lies inside the slices.
func (f *Block) check(k *Kernel, a, b, c int) {
	needA := (f.Rows-1)*f.ARow + (f.Depth-1)*f.AStep + (f.Runs-1)*f.ARun + 1
	if f.ARow == 0 {
		needA = k.SizeA(f.Rows, f.Depth*f.Runs)
	}
	needB := (f.Depth-1)*f.BStep + (f.Runs-1)*f.BRun + f.Cols
	if f.BStep == 0 {
		needB = k.SizeB(f.Cols, f.Depth*f.Runs)
	}
	if min(f.ARow, f.AStep, f.ARun, f.BStep, f.BRun) < 0 || f.CRow < f.Cols || f.Bias != nil && len(f.Bias) < f.Cols || a < needA || b < needB || c < (f.Rows-1)*f.CRow+f.Cols {
		panic(fmt.Sprintf("BUG: gemm: block %+v of %d, %d and %d elements", *f, a, b, c))
	}
}
