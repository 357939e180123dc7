package backend

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPlanByHand: a chain of equal buffers needs two places, whatever its length.
func TestPlanByHand(t *testing.T) {
	p := NewProgram("chain")
	x := View{Buffer: p.AddBuffer(Buffer{Name: "x", Elements: 16}), Shape: Shape{16}}
	last := x
	for range 6 {
		next := View{Buffer: p.AddBuffer(Buffer{Kind: Scratch, Elements: 16}), Shape: Shape{16}}
		p.Add("", &Unary{Y: next, X: last})
		last = next
	}
	unused := p.AddBuffer(Buffer{Kind: Scratch, Elements: 1000})
	plan := Plan(p, 64, nil)
	assert.Equal(t, 128, plan.Size)
	assert.Equal(t, -1, plan.Offsets[x.Buffer], "bound buffers lie elsewhere")
	assert.Equal(t, -1, plan.Offsets[unused], "what no Op touches takes no memory")
	assert.Equal(t, []int{-1, -1, -1, -1, -1, -1}, plan.Workspaces)

	plan = Plan(p, 64, func(i int, op Op) int {
		if i == 2 {
			return 100
		}
		return 0
	})
	assert.NotEqual(t, -1, plan.Workspaces[2])
	assert.Equal(t, -1, plan.Workspaces[3])
	assert.Equal(t, 256, plan.Size, "two buffers and a workspace of 100 bytes, placed first")

	assert.Zero(t, Plan(NewProgram("empty"), 64, nil).Size)
}

// randomProgram has random scratch buffers that are used at random.
func randomProgram(r *rand.Rand, buffers, ops int) *Program {
	p := NewProgram("random")
	for range buffers {
		p.AddBuffer(Buffer{Kind: Scratch, Elements: 1 + r.IntN(300)})
	}
	for range ops {
		view := func() View { return View{Buffer: BufferID(1 + r.IntN(buffers)), Shape: Shape{1}} }
		p.Add("", &Binary{Y: view(), A: view(), B: view()})
	}
	return p
}

// checkPlan verifies that nothing that is alive at once shares a byte, that
// places are aligned, and that the arena is no larger than all requests together
// and no smaller than what is alive at one time.
func checkPlan(t *testing.T, p *Program, align int, workspace []int) {
	plan := Plan(p, align, func(i int, op Op) int {
		require.Equal(t, p.Code[i].Op, op)
		return workspace[i]
	})
	type piece struct{ first, last, at, bytes int }
	var pieces []piece
	up := func(n int) int { return (n + align - 1) / align * align }
	total := 0
	add := func(q piece) {
		pieces = append(pieces, q)
		total += up(q.bytes)
	}
	for id := 1; id < len(p.Buffers); id++ {
		q := piece{first: -1, at: plan.Offsets[id], bytes: p.Buffers[id].Bytes()}
		for i, in := range p.Code {
			for _, o := range in.Op.Operands() {
				if int(o.View.Buffer) == id {
					if q.first < 0 {
						q.first = i
					}
					q.last = i
				}
			}
		}
		if q.first < 0 || p.Buffers[id].Kind == Bound {
			require.Equal(t, -1, q.at)
			continue
		}
		add(q)
	}
	for i, n := range workspace {
		if n > 0 {
			add(piece{i, i, plan.Workspaces[i], n})
		} else {
			require.Equal(t, -1, plan.Workspaces[i])
		}
	}
	most := 0
	for i := range p.Code {
		alive := 0
		for _, q := range pieces {
			if q.first <= i && i <= q.last {
				alive += q.bytes
			}
		}
		most = max(most, alive)
	}
	require.GreaterOrEqual(t, plan.Size, most)
	require.LessOrEqual(t, plan.Size, total)
	for i, a := range pieces {
		require.GreaterOrEqual(t, a.at, 0)
		require.Zero(t, a.at%align)
		require.LessOrEqual(t, a.at+a.bytes, plan.Size)
		for _, b := range pieces[:i] {
			if a.first <= b.last && b.first <= a.last {
				require.True(t, a.at+a.bytes <= b.at || b.at+b.bytes <= a.at, "%+v and %+v overlap", a, b)
			}
		}
	}
	require.Equal(t, plan, Plan(p, align, func(i int, _ Op) int { return workspace[i] }), "a plan is deterministic")
}

func FuzzPlan(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed, uint8(seed*3+1), uint8(seed*7+1), uint8(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, buffers, ops, align uint8) {
		r := rand.New(rand.NewPCG(seed, 0))
		p := randomProgram(r, 1+int(buffers%60), 1+int(ops%60))
		workspace := make([]int, len(p.Code))
		for i := range workspace {
			workspace[i] = max(0, r.IntN(2000)-1000)
		}
		checkPlan(t, p, 1<<(align%9), workspace)
	})
}
