package reference

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

func TestProfile(t *testing.T) {
	r := newOpenRig(t)
	x, y := r.floats([]float64{1, 2, 3}, 3), r.out(3)
	p := &backend.Program{Name: "p", Buffers: r.buffers}
	p.Add("a", &backend.Unary{Y: y, X: x, Func: backend.Square})
	p.Add("b", &backend.Unary{Y: y, X: y, Func: backend.Neg})
	bind := map[string]backend.Tensor{r.buffers[1].Name: r.tensor(x), r.buffers[2].Name: r.tensor(y)}
	exe, err := r.device.Compile(p, bind)
	require.NoError(t, err)
	got, err := exe.(backend.Profiler).Profile(context.Background())
	require.NoError(t, err)
	require.Len(t, got.Ops, 2)
	assert.Equal(t, "b", got.Ops[1].Label)
	assert.Equal(t, "Unary", got.Ops[1].Kind)
	assert.Equal(t, p.Code[1].Op.Cost(), got.Ops[1].Cost)
	assert.EqualValues(t, 3, got.Ops[1].Executed)
	assert.Equal(t, []float64{-1, -4, -9}, r.get(y))
	require.NoError(t, exe.Close())
	_, err = exe.(backend.Profiler).Profile(context.Background())
	assert.ErrorIs(t, err, backend.ErrClosed)
}
