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
// The rows may form several lines, as the pixels of an image do: row i of a line is i·ARow and i·CRow after the line's first, and lines begin ALine and CLine
// after each other.
//
// If ARow is 0, A is packed by [Kernel.PackA], one line of it, Runs·Depth deep; if BStep is 0, B is packed by [Kernel.PackB].
//
// Micro-kernels broadcast elements of A and multiply them by vectors of B: the longer side of C belongs to the columns.
type Block struct {
	Lines                   int // 0 is 1
	Rows, Cols, Depth, Runs int // Rows in each line
	ALine, CLine            int
	ARow, AStep, ARun       int
	BStep, BRun             int
	CRow                    int
	Accumulate              bool

	// Fetch says that C, and A if its rows follow each other without gaps, lie in memory rather than in caches. So a tile of C is fetched before it is written, and
	// the rows of A of a tile while the one before is computed.
	Fetch bool

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
	lines := max(f.Lines, 1)
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
			k.rows[(w-1)/k.rowUnit](lines, f.Depth, f.Runs, &a[0], 4*f.ALine, aRow, aStep, aJump, 0, &b[j], 0, bStep, bJump,
				&c[j], 4*f.CRow, 4*(f.CLine-f.CRow), w, f.Accumulate, f.biasFrom(j), 0, f.ReLU, f.Fetch)
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
			for l := range lines {
				k.micro[f.Rows-1][width](across, f.Depth, f.Runs, &a[l*f.ALine], 0, aRow, aStep, aJump, 0, &b[panelB], bTile, bStep, bJump,
					&c[l*f.CLine+j], 4*f.CRow, 4*(w-f.Rows*f.CRow), w, f.Accumulate, bias, biasTile, f.ReLU, f.Fetch)
			}
			j += across * w
			continue
		}
		for i := 0; i < f.Rows; {
			rest := f.Rows - i
			h := k.PanelA(rest)
			tiles, aTile, cTile := rest/h, h*f.ARow, h*f.CRow
			if tiles > 1 && tiles*h < rest {
				tiles-- // what remains beyond that is cut evenly
			}
			panelA, next := i*f.ARow, i+tiles*h
			if f.ARow == 0 {
				panelA, aTile, aStep = i*depth, h*depth, 4*h
			}
			aAhead := 0
			if f.Fetch && f.ARow == f.Depth && f.AStep == 1 && f.Runs == 1 {
				aAhead = 4 * h // a tile holds h elements for each index
			}
			calls, aCall, cCall := lines, f.ALine, f.CLine
			if calls > tiles {
				calls, aCall, cCall, tiles, aTile, cTile = tiles, aTile, cTile, calls, aCall, cCall
			}
			for l := range calls {
				k.micro[h-1][width](tiles, f.Depth, f.Runs, &a[panelA+l*aCall], 4*aTile, aRow, aStep, aJump, aAhead, &b[panelB], 0, bStep, bJump,
					&c[i*f.CRow+j+l*cCall], 4*f.CRow, 4*(cTile-h*f.CRow), min(w, f.Cols-j), f.Accumulate, f.biasFrom(j), 0, f.ReLU, f.Fetch)
			}
			i = next
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
	lines := max(f.Lines, 1) - 1
	needA := lines*f.ALine + (f.Rows-1)*f.ARow + (f.Depth-1)*f.AStep + (f.Runs-1)*f.ARun + 1
	if f.ARow == 0 {
		needA = k.SizeA(f.Rows, f.Depth*f.Runs)
	}
	needB := (f.Depth-1)*f.BStep + (f.Runs-1)*f.BRun + f.Cols
	if f.BStep == 0 {
		needB = k.SizeB(f.Cols, f.Depth*f.Runs)
	}
	needC := lines*f.CLine + (f.Rows-1)*f.CRow + f.Cols
	if f.ARow|f.AStep|f.ARun|f.BStep|f.BRun|f.ALine|f.CLine < 0 || f.CRow < f.Cols || lines > 0 && f.ARow == 0 ||
		f.Bias != nil && len(f.Bias) < f.Cols || a < needA || b < needB || c < needC {
		panic(fmt.Sprintf("BUG: gemm: block %+v of %d, %d and %d elements", *f, a, b, c))
	}
}
