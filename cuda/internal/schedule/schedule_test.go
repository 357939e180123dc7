package schedule

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func bytes(begin, end uint64) []Range { return []Range{{begin, end}} }

func TestPredecessors(t *testing.T) {
	a, b, c := bytes(0, 8), bytes(8, 16), bytes(16, 24)
	whole := bytes(0, 24)
	for _, test := range []struct {
		name  string
		tasks []Task
		want  [][]int
	}{
		{"nothing", nil, [][]int{}},
		{"independent", []Task{{Writes: a}, {Writes: b}, {Reads: c}}, [][]int{nil, nil, nil}},
		{"read after write", []Task{{Writes: a}, {Reads: a}}, [][]int{nil, {0}}},
		{"write after read", []Task{{Reads: a}, {Writes: a}}, [][]int{nil, {0}}},
		{"write after write", []Task{{Writes: a}, {Writes: a}}, [][]int{nil, {0}}},
		{"readers at once", []Task{{Writes: a}, {Reads: a, Writes: b}, {Reads: a, Writes: c}, {Writes: a}}, [][]int{nil, {0}, {0}, {2, 1}}},
		{"in place", []Task{{Writes: a}, {Reads: a, Writes: a}, {Reads: a}}, [][]int{nil, {0}, {1}}},
		{"neighbours share no byte", []Task{{Writes: bytes(0, 9)}, {Writes: bytes(9, 10)}, {Reads: bytes(8, 9)}}, [][]int{nil, nil, {0}}},
		{"a byte in common", []Task{{Writes: bytes(0, 9)}, {Reads: bytes(8, 20)}}, [][]int{nil, {0}}},
		{"part of an arena", []Task{{Writes: whole}, {Writes: b}, {Reads: a}, {Reads: whole}}, [][]int{nil, {0}, {0}, {1}}},
		{"a chain needs no shortcut", []Task{{Writes: a}, {Reads: a, Writes: b}, {Reads: append(b, a...), Writes: c}}, [][]int{nil, {0}, {1}}},
		{"join", []Task{{Writes: a}, {Writes: b}, {Reads: append(a[:1:1], b...), Writes: c}}, [][]int{nil, nil, {1, 0}}},
		{"bytes used again", []Task{{Writes: a}, {Reads: a, Writes: b}, {Writes: a}, {Reads: b}}, [][]int{nil, {0}, {1}, {1}}},
		{"no bytes", []Task{{Writes: bytes(4, 4)}, {Reads: bytes(4, 4)}}, [][]int{nil, nil}},
	} {
		assert.Equal(t, test.want, Predecessors(test.tasks), test.name)
	}
}

// TestPredecessorsAreTheHazards compares random lists with the definition: a task
// comes after another exactly if a chain of conflicts leads there, and no edge could
// be left out.
func TestPredecessorsAreTheHazards(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	draw := func() []Range {
		ranges := make([]Range, r.IntN(3))
		for i := range ranges {
			begin := r.Uint64N(60)
			ranges[i] = Range{begin, begin + r.Uint64N(12)}
		}
		return ranges
	}
	for range 300 {
		tasks := make([]Task, r.IntN(100))
		for i := range tasks {
			tasks[i] = Task{Reads: draw(), Writes: draw()}
		}
		got := Predecessors(tasks)
		conflicts := make([][]int, len(tasks))
		for i := range tasks {
			for j := range i {
				if overlap(tasks[i].Writes, tasks[j].Writes) || overlap(tasks[i].Writes, tasks[j].Reads) || overlap(tasks[i].Reads, tasks[j].Writes) {
					conflicts[i] = append(conflicts[i], j)
				}
			}
		}
		want := closure(conflicts)
		require.Equal(t, want, closure(got))
		for i, before := range got {
			for _, j := range before {
				for _, other := range before {
					require.False(t, want[other][j], "task %d waits for %d through %d", i, j, other)
				}
			}
		}
	}
}

func overlap(a, b []Range) bool {
	for _, x := range a {
		for _, y := range b {
			if max(x.Begin, y.Begin) < min(x.End, y.End) {
				return true
			}
		}
	}
	return false
}

// closure tells for every pair whether the first comes after the second.
func closure(edges [][]int) []map[int]bool {
	after := make([]map[int]bool, len(edges))
	for i, before := range edges {
		after[i] = map[int]bool{}
		for _, j := range before {
			after[i][j] = true
			for k := range after[j] {
				after[i][k] = true
			}
		}
	}
	return after
}

// TestLongPrograms is quick because tasks are not compared pair by pair.
func TestLongPrograms(t *testing.T) {
	tasks := make([]Task, 20_000)
	for i := range tasks {
		at := uint64(i) * 16
		tasks[i] = Task{Reads: bytes(at, at+16), Writes: bytes(at+16, at+32)}
	}
	for i, before := range Predecessors(tasks)[1:] {
		require.Equal(t, []int{i}, before)
	}
}
