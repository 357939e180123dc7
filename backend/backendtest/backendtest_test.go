package backendtest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// TestConformance certifies the oracle by itself: its results, rounded to
// float32, lie within every bound. In chains its float64 intermediate values
// would have to be rounded too, which is what the wrapper does.
func TestConformance(t *testing.T) {
	t.Run("reference", func(t *testing.T) {
		c := Config{Short: testing.Short(), OpenThreads: func(t testing.TB, threads int) backend.Backend {
			b, err := backend.Open("reference", backend.Options{Threads: threads})
			require.NoError(t, err)
			return b
		}}
		RunKinds(t, openReference, c, backend.Kinds()...)
		t.Run("Fusion", func(t *testing.T) { runFusion(t, openReference(t), c) })
		runContract(t, openReference, c)
	})
	t.Run("stepwise", func(t *testing.T) {
		t.Run("Chain", func(t *testing.T) { runChains(t, &stepwise{Backend: openReference(t)}, Config{}) })
	})
}

func TestEveryKindHasCasesAndABound(t *testing.T) {
	for _, kind := range backend.Kinds() {
		assert.Contains(t, generators, kind)
		assert.Contains(t, boundFuncs, kind)
		for i, c := range Cases(kind, 0) {
			assert.Equal(t, kind, c.Op.Kind())
			assert.NoError(t, c.Op.Check(), "%s/%d", kind, i)
		}
	}
	assert.Len(t, generators, len(backend.Kinds()))
	assert.Len(t, boundFuncs, len(backend.Kinds()))
}

// TestCasesAreDeterministic: the number in the name of a case means the same case
// in every run.
func TestCasesAreDeterministic(t *testing.T) {
	for _, kind := range backend.Kinds() {
		assert.Equal(t, describeAll(Cases(kind, 1)), describeAll(Cases(kind, 1)), kind)
	}
	assert.NotEqual(t, describeAll(Cases("Conv2D", 1)), describeAll(Cases("Conv2D", 2)), "the seed draws the random cases")
}

func describeAll(cases []Case) []string {
	var all []string
	for _, c := range cases {
		all = append(all, describe(c.Op)+c.inPlace)
	}
	return all
}

// TestEveryVariantHasACase: the enumerated attributes are all tried.
func TestEveryVariantHasACase(t *testing.T) {
	seen := map[any]bool{}
	type epilogue struct {
		kind       string
		derivative backend.Func
		addend     bool
	}
	for _, kind := range backend.Kinds() {
		for _, c := range Cases(kind, 0) {
			switch o := c.Op.(type) {
			case *backend.Unary:
				seen[o.Func] = true
			case *backend.UnaryGrad:
				seen["grad"+o.Func.String()] = true
			case *backend.Binary:
				seen[o.Func] = true
			case *backend.Compare:
				seen[o.Func] = true
			case *backend.Reduce:
				seen[o.Func] = true
			case *backend.Loss:
				seen[[2]any{o.Func, o.Target.DType}] = true
			case *backend.LossGrad:
				seen[[2]any{"grad" + o.Func.String(), o.Target.DType}] = true
			case *backend.OptimizerStep:
				seen[o.Rule] = true
			case *backend.Pad:
				seen[o.Mode] = true
			case *backend.PadGrad:
				seen["grad"+o.Mode.String()] = true
			case *backend.Resize:
				seen[o.Mode] = true
			case *backend.ResizeGrad:
				seen["grad"+o.Mode.String()] = true
			}
			if a := activationOf(c.Op); a != nil {
				seen[[2]any{kind, a.Func}] = true
			}
			if e := epilogueOf(c.Op); e != nil {
				seen[epilogue{kind, e.Derivative.Func, e.Addend.Present()}] = true
			}
		}
	}
	for _, f := range backend.Funcs() {
		assert.True(t, seen[f] && seen["grad"+f.String()], f)
	}
	for _, f := range backend.BinaryFuncs() {
		assert.True(t, seen[f], f)
	}
	for _, f := range backend.CompareFuncs() {
		assert.True(t, seen[f], f)
	}
	for _, f := range backend.ReduceFuncs() {
		assert.True(t, seen[f], f)
	}
	for _, r := range backend.OptimizerRules() {
		assert.True(t, seen[r], r)
	}
	for _, k := range backend.LossKinds() {
		for _, target := range []backend.DType{backend.Float32, backend.Int32} {
			ok := target == backend.Float32 && k.TakesRows() || target == backend.Int32 && k.TakesIndex()
			assert.Equal(t, ok, seen[[2]any{k, target}], "%v %v", k, target)
			if ok {
				assert.True(t, seen[[2]any{"grad" + k.String(), backend.Float32}] || seen[[2]any{"grad" + k.String(), target}], "%v %v", k, target)
			}
		}
	}
	for _, m := range backend.PadModes() {
		assert.True(t, seen[m] && seen["grad"+m.String()], m)
	}
	for _, m := range backend.ResizeModes() {
		assert.True(t, seen[m] && seen["grad"+m.String()], m)
	}
	for _, a := range activations {
		assert.True(t, a.Func.Rule().Activation)
		for _, kind := range []string{"Conv2D", "MatMul", "BatchNormInference"} {
			assert.True(t, seen[[2]any{kind, a.Func}], "%s %v", kind, a)
		}
		for _, kind := range backend.Kinds() {
			if epilogueOf(Cases(kind, 0)[0].Op) == nil {
				continue
			}
			for _, addend := range []bool{false, true} {
				assert.True(t, seen[epilogue{kind, a.Func, addend}], "%s %v, addend %t", kind, a, addend)
			}
		}
	}
}

func TestRepeat(t *testing.T) {
	assert.Equal(t, "go test ./backend/backendtest -run '^TestConformance$/^avx2$/^Conv2D$/^17$'", repeat("TestConformance/avx2/Conv2D/17"))
}
