package lower

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/backend/backendtest"
	"fovea/kernels"
)

// devices for which work may differ.
var devices = []Device{{Capability: 75}, {Capability: 80}, {Capability: 90}, {Capability: 75, Variant: Explicit}}

// placed is a Memory in which every operand begins at an address of its own that
// leaves a remainder of skew when divided by 256.
type placed struct {
	next kernels.Pointer
	skew kernels.Pointer
}

func (p *placed) Address(v backend.View) kernels.Pointer {
	if !v.Present() {
		return 0
	}
	p.next += kernels.Pointer(v.Bytes()+512) &^ 255
	return p.next + p.skew
}

// TestEveryKindIsLowered: all cases of the conformance suite can be lowered, for
// every device.
func TestEveryKindIsLowered(t *testing.T) {
	for _, kind := range backend.Kinds() {
		t.Run(kind, func(t *testing.T) {
			cases := backendtest.Cases(kind, 0)
			require.NotEmpty(t, cases)
			for _, c := range cases {
				require.NoError(t, c.Op.Check())
				for _, d := range devices {
					_, err := Lower(c.Op, d)
					require.NoError(t, err, "%+v: %+v", d, c.Op)
				}
			}
		})
	}
}

// limits of every device from compute capability 7.5 on.
const (
	maxGridX, maxGridYZ = 1<<31 - 1, 1<<16 - 1
	maxThreads          = 1024
	maxShared           = 64 << 10 // dynamic and granted, on 7.5
)

// TestLaunchesAreValid: whatever a driver would refuse is not asked for.
func TestLaunchesAreValid(t *testing.T) {
	for _, kind := range backend.Kinds() {
		for _, c := range backendtest.Cases(kind, 0) {
			for _, d := range devices {
				w, err := Lower(c.Op, d)
				if err != nil {
					continue // TestEveryKindIsLowered
				}
				require.GreaterOrEqual(t, w.Workspace, 0)
				for _, skew := range []kernels.Pointer{0, 4} {
					for i, n := range w.Emit(&placed{next: 1 << 20, skew: skew}, 1<<30) {
						require.NoError(t, valid(n), "%+v: node %d of %s %+v", d, i, kind, c.Op)
					}
				}
			}
		}
	}
}

func valid(n Node) error {
	switch n := n.(type) {
	case Launch:
		k := n.Call.Kernel
		threads := n.Block[0] * n.Block[1] * n.Block[2]
		switch {
		case len(n.Call.Args) != k.Size:
			return fmt.Errorf("%s: %d bytes of arguments, expected %d", k.Name, len(n.Call.Args), k.Size)
		case slices.Contains(n.Grid[:], 0) || n.Grid[0] > maxGridX || n.Grid[1] > maxGridYZ || n.Grid[2] > maxGridYZ:
			return fmt.Errorf("%s: grid %v", k.Name, n.Grid)
		case threads == 0 || threads > maxThreads || k.Threads > 0 && int(threads) > k.Threads:
			return fmt.Errorf("%s: block %v, expected at most %d threads", k.Name, n.Block, k.Threads)
		case n.Shared > maxShared:
			return fmt.Errorf("%s: %d bytes of shared memory", k.Name, n.Shared)
		}
	case Memset:
		if n.Address == 0 || n.Address%4 != 0 || n.Bytes <= 0 || n.Bytes%4 != 0 {
			return fmt.Errorf("%+v", n)
		}
	case Copy:
		if n.From == 0 || n.To == 0 || n.Bytes <= 0 {
			return fmt.Errorf("%+v", n)
		}
	default:
		return fmt.Errorf("%T", n)
	}
	return nil
}

// TestLargeOperandsAreRefused: kernels count elements in 32 bits.
func TestLargeOperandsAreRefused(t *testing.T) {
	v := backend.View{Buffer: 1, Shape: backend.Shape{1 << 16, 1 << 15}}
	_, err := Lower(&backend.Unary{Y: v, X: v}, Device{})
	require.ErrorIs(t, err, backend.ErrUnsupported)
	assert.ErrorContains(t, err, "Unary")
	v.Shape = backend.Shape{1<<31 - 1}
	w, err := Lower(&backend.Unary{Y: v, X: v}, Device{})
	require.NoError(t, err)
	for _, n := range w.Emit(&placed{}, 0) {
		assert.NoError(t, valid(n))
	}
}

// TestManyAxesAreRefused: nine axes that are crossed in turns.
func TestManyAxesAreRefused(t *testing.T) {
	var x, y backend.Shape
	for i := range kernels.MaxAxes + 1 {
		x, y = append(x, 1+i%2), append(y, 2)
	}
	op := &backend.Copy{Y: backend.View{Buffer: 1, Shape: y}, X: backend.View{Buffer: 1, Shape: x}}
	_, err := Lower(op, Device{})
	require.ErrorIs(t, err, backend.ErrUnsupported)
	assert.ErrorContains(t, err, "9 axes")
	op.X.Shape, op.Y.Shape = x[1:], y[1:]
	_, err = Lower(op, Device{})
	assert.NoError(t, err)
}

// TestDivisor does what kernels/index.cuh does.
func TestDivisor(t *testing.T) {
	divide := func(n uint32, d kernels.Divisor) uint32 {
		return (uint32(uint64(n)*uint64(d.Multiplier)>>32) + n) >> d.Shift
	}
	r := rand.New(rand.NewPCG(1, 2))
	const most = 1<<31 - 1
	divisors := []int{1, 2, 3, 5, 6, 7, 10, 641, 1<<16 - 1, 1 << 16, 1<<16 + 1, 1<<30 - 1, 1 << 30, 1<<30 + 1, most - 1, most}
	for range 2000 {
		divisors = append(divisors, 1+r.IntN(most)>>r.IntN(31))
	}
	for _, n := range divisors {
		if n == 0 {
			continue
		}
		d := divisor(n)
		numbers := []int{0, 1, n - 1, n, most, most / n * n, max(most/n*n-1, 0), r.IntN(most), r.IntN(1 << 16)}
		for _, x := range numbers {
			if got := divide(uint32(x), d); int(got) != x/n {
				require.Equal(t, x/n, int(got), "%d/%d", x, n)
			}
		}
	}
}
