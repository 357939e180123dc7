package backend

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// chainProgram is y = x·x, squared through scratch s.
func chainProgram() (p *Program, x, y, s View) {
	p = NewProgram("chain")
	v := func(b Buffer) View { return View{Buffer: p.AddBuffer(b), Shape: Shape{b.Elements}} }
	x, y = v(Buffer{Name: "x", Elements: 4}), v(Buffer{Name: "y", Elements: 4})
	s = v(Buffer{Name: "s", Kind: Scratch, Elements: 8})
	s.Shape = Shape{4}
	p.Add("first", &Unary{Y: s, X: x, Func: Square})
	p.Add("then", &Binary{Y: y, A: s, B: s, Func: Mul})
	return p, x, y, s
}

func TestProgramCheckAccepts(t *testing.T) {
	p, x, _, s := chainProgram()
	require.NoError(t, p.Check())
	later := s
	later.Offset = 16
	p.Add("in place", &Unary{Y: s, X: s, Func: ReLU})
	p.Add("neighbour", &Unary{Y: later, X: s, Func: ReLU})
	whole := View{Buffer: s.Buffer, Shape: Shape{8}}
	p.Add("both halves", &Reduce{Y: View{Buffer: x.Buffer, Shape: Shape{1}}, X: whole, Axes: []int{0}})
	p.Add("accumulated", &Reduce{Y: View{Buffer: x.Buffer, Shape: Shape{1}}, X: whole, Axes: []int{0}, Accumulate: true})
	p.Add("inputs overlap", &Binary{Y: View{Buffer: x.Buffer, Shape: Shape{4}}, A: later, B: later})
	assert.NoError(t, p.Check())
	assert.NoError(t, NewProgram("empty").Check())
}

func TestProgramCheckRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(p *Program, x, y, s View)
		want  error
		says  string
	}{
		{"no buffers", func(p *Program, x, y, s View) { p.Buffers = nil }, ErrProgram, "no buffer 0"},
		{"no Op", func(p *Program, x, y, s View) { p.Add("none", nil) }, ErrProgram, "there is no Op"},
		{"nil Op", func(p *Program, x, y, s View) { p.Add("none", (*Unary)(nil)) }, ErrProgram, "there is no Op"},
		{"unknown buffer", func(p *Program, x, y, s View) { x.Buffer = 9; p.Add("a", &Unary{Y: y, X: x}) }, ErrProgram, "X names buffer 9 of 3"},
		{"negative buffer", func(p *Program, x, y, s View) { x.Buffer = -1; p.Add("a", &Unary{Y: y, X: x}) }, ErrProgram, "X names buffer -1 of 3"},
		{"type", func(p *Program, x, y, s View) {
			p.Buffers[x.Buffer].DType = Int32
		}, ErrProgram, "X is float32 in a buffer of int32"},
		{"outside", func(p *Program, x, y, s View) { x.Offset = 4; p.Add("a", &Unary{Y: y, X: x}) }, ErrProgram, "X %1+4[4] lies outside its buffer of 16 bytes"},
		{"negative offset", func(p *Program, x, y, s View) { x.Offset = -4; p.Add("a", &Unary{Y: y, X: x}) }, ErrProgram, "lies outside"},
		{"misaligned", func(p *Program, x, y, s View) { s.Offset = 2; p.Add("a", &Unary{Y: s, X: x}) }, ErrProgram, "lies outside"},
		{"huge offset", func(p *Program, x, y, s View) { x.Offset = 1<<63 - 4; p.Add("a", &Unary{Y: y, X: x}) }, ErrProgram, "lies outside"},
		{"shape rule", func(p *Program, x, y, s View) { y.Shape = Shape{2}; p.Add("a", &Unary{Y: y, X: x}) }, ErrShape, `instruction 2 ("a"): backend: Unary: shape mismatch: Y is [2], expected [4]`},
		{"unwritten scratch", func(p *Program, x, y, s View) { s.Offset = 16; p.Add("a", &Unary{Y: y, X: s}) }, ErrProgram, "X %3+16[4] is read before it is written"},
		{"half-written scratch", func(p *Program, x, y, s View) { s.Offset = 8; p.Add("a", &Unary{Y: y, X: s}) }, ErrProgram, "is read before it is written"},
		{"accumulated before written", func(p *Program, x, y, s View) {
			s.Offset, s.Shape = 16, Shape{1}
			p.Add("a", &Reduce{Y: s, X: x, Axes: []int{0}, Accumulate: true})
		}, ErrProgram, "Y %3+16[1] is read before it is written"},
		{"output over input", func(p *Program, x, y, s View) {
			p.Add("a", &Copy{Y: y, X: y})
		}, ErrProgram, "output Y %2[4] overlaps X %2[4]"},
		{"half in place", func(p *Program, x, y, s View) {
			a, b := s, s
			b.Offset = 8
			p.Add("a", &Unary{Y: b, X: a})
		}, ErrProgram, "overlaps X"},
		{"broadcast in place", func(p *Program, x, y, s View) {
			p.Add("a", &Binary{Y: y, A: x, B: View{Buffer: y.Buffer, Shape: Shape{1}}})
		}, ErrProgram, "output Y %2[4] overlaps B %2[1]"},
		{"no elements", func(p *Program, x, y, s View) { p.AddBuffer(Buffer{Kind: Scratch}) }, ErrProgram, `buffer 4 "" has 0 elements`},
		{"too many elements", func(p *Program, x, y, s View) { p.AddBuffer(Buffer{Kind: Scratch, Elements: 1 << 40}) }, ErrProgram, "has 1099511627776 elements, expected 1 to 2147483647"},
		{"no name", func(p *Program, x, y, s View) { p.AddBuffer(Buffer{Elements: 1}) }, ErrProgram, `name "" is empty or taken`},
		{"name twice", func(p *Program, x, y, s View) { p.AddBuffer(Buffer{Name: "x", Elements: 1}) }, ErrProgram, `name "x" is empty or taken`},
	} {
		p, x, y, s := chainProgram()
		c.spoil(p, x, y, s)
		err := p.Check()
		if assert.ErrorIs(t, err, c.want, c.name) {
			assert.ErrorContains(t, err, c.says, c.name)
			assert.ErrorContains(t, err, `program "chain"`, c.name)
		}
	}
}

// TestProgramCheckOutputs: two outputs of one Op must not overlap, in place or
// not.
func TestProgramCheckOutputs(t *testing.T) {
	p := NewProgram("outputs")
	id := p.AddBuffer(Buffer{Name: "all", Elements: 100})
	v := func(offset int, s ...int) View { return View{Buffer: id, Offset: 4 * offset, Shape: s} }
	op := &BatchNorm{Y: v(0, 2, 3), Mean: v(6, 3), Variance: v(9, 3), X: v(12, 2, 3), Gamma: v(18, 3), Beta: v(21, 3), Epsilon: 1}
	p.Add("", op)
	require.NoError(t, p.Check())
	op.Variance = v(8, 3)
	assert.ErrorContains(t, p.Check(), "output Mean %1+24[3] overlaps Variance %1+32[3]")
	op.Variance, op.X = v(9, 3), v(0, 2, 3)
	assert.ErrorContains(t, p.Check(), "output Y %1[2 3] overlaps X %1[2 3]")
}

// TestProgramCheckIndices: what is used as a position must be bounded by it.
func TestProgramCheckIndices(t *testing.T) {
	for _, c := range []struct {
		limit int
		says  string
	}{
		{5, ""}, {1, ""}, {0, "declares the limit 0, expected 1 to 5"}, {6, "declares the limit 6, expected 1 to 5"}, {-1, "declares the limit -1"},
	} {
		p := NewProgram("indices")
		add := func(b Buffer, s ...int) View {
			b.Elements = Shape(s).Elements()
			return View{Buffer: p.AddBuffer(b), DType: b.DType, Shape: s}
		}
		x, y, z := add(Buffer{Name: "x"}, 5, 2), add(Buffer{Name: "y"}, 3, 2), add(Buffer{Name: "z"}, 3, 5)
		w, seed := add(Buffer{Name: "w"}, 3), add(Buffer{Name: "seed"}, 1)
		i := add(Buffer{Name: "i", DType: Int32, Limit: c.limit}, 3)
		dz := add(Buffer{Name: "dz"}, 3, 5)
		for _, op := range []Op{
			&Gather{Y: y, X: x, Indices: i}, &ScatterAdd{Y: x, X: y, Indices: i},
			&Loss{Losses: w, Input: z, Target: i, Divisor: 1}, &LossGrad{DX: dz, Input: z, Target: i, Seed: seed, Divisor: 1},
		} {
			p.Code = []Instruction{{"", op}}
			if c.says == "" {
				assert.NoError(t, p.Check(), op.Kind())
				continue
			}
			err := p.Check()
			assert.ErrorIs(t, err, ErrProgram, op.Kind())
			assert.ErrorContains(t, err, c.says, op.Kind())
		}
	}
}

func TestProgramAccesses(t *testing.T) {
	p, x, y, s := chainProgram()
	a := p.Accesses()
	assert.Equal(t, Read, a[x.Buffer])
	assert.Equal(t, Write, a[y.Buffer])
	assert.Equal(t, Update, a[s.Buffer])
	assert.True(t, Update.Reads() && Update.Writes() && Read.Reads() && !Read.Writes() && Write.Writes() && !Write.Reads())
}

func TestProgramString(t *testing.T) {
	p, _, _, _ := chainProgram()
	p.Add("more", &Reduce{Y: View{Buffer: 2, Offset: 4, Shape: Shape{1}}, X: View{Buffer: 1, Shape: Shape{4}}, Axes: []int{0}, Accumulate: true})
	assert.Equal(t, `program chain
  %1 = bound x float32[4]
  %2 = bound y float32[4]
  first      Unary →Y=%3[4] X=%1[4]
  then       Binary →Y=%2[4] A=%3[4] B=%3[4]
  more       Reduce ↔Y=%2+4[1] X=%1[4]
`, p.String())
}

func TestConcat(t *testing.T) {
	p, _, _, _ := chainProgram()
	q, _, y, _ := chainProgram()
	q.Name = "second"
	both, err := Concat("both", p, q)
	require.NoError(t, err)
	require.NoError(t, both.Check())
	assert.Equal(t, "both", both.Name)
	require.Len(t, both.Code, 4)
	require.Len(t, both.Buffers, 5, "x and y are shared, scratch is not")
	assert.Equal(t, y.Buffer, both.Code[3].Op.(*Binary).Y.Buffer)
	assert.NotEqual(t, both.Code[0].Op.(*Unary).Y.Buffer, both.Code[2].Op.(*Unary).Y.Buffer)
	both.Code[0].Op.(*Unary).Y.Buffer = 77
	assert.NoError(t, p.Check(), "the programs share no Op")

	for _, other := range []Buffer{{Name: "x", Elements: 5}, {Name: "x", Elements: 4, DType: Int32}, {Name: "x", Elements: 4, Limit: 3}} {
		q := NewProgram("other")
		q.AddBuffer(other)
		_, err := Concat("both", p, q)
		assert.ErrorIs(t, err, ErrProgram)
		assert.ErrorContains(t, err, `buffer "x"`)
	}
	q.Code[0].Op.(*Unary).X.Buffer = 99
	_, err = Concat("both", p, q)
	assert.ErrorIs(t, err, ErrProgram)
	assert.ErrorContains(t, err, "X names buffer 99 of 3")
	_, err = Concat("both", &Program{})
	assert.ErrorIs(t, err, ErrProgram)
	empty, err := Concat("empty")
	require.NoError(t, err)
	assert.NoError(t, empty.Check())
}

// TestIntervals compares the set of byte ranges with a set of bytes.
func TestIntervals(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		var s intervals
		var bytes [40]bool
		for range 12 {
			lo := r.IntN(40)
			hi := lo + 1 + r.IntN(40-lo)
			want := true
			for _, b := range bytes[lo:hi] {
				want = want && b
			}
			require.Equal(t, want, s.covers(lo, hi), "%v covers %d to %d", s, lo, hi)
			if r.IntN(2) == 0 {
				hi = min(hi, lo+4)
				s.add(lo, hi)
				for i := lo; i < hi; i++ {
					bytes[i] = true
				}
			}
			for i := 1; i < len(s); i++ {
				require.Greater(t, s[i][0], s[i-1][1], "sorted and disjoint: %v", s)
			}
		}
	}
}
