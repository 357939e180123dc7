// Package schedule finds out which pieces of device work must wait for which,
// from the bytes that each reads and writes. What is not ordered may run at the
// same time.
package schedule

import (
	"cmp"
	"slices"
)

// Range is a range of device memory, from Begin to before End.
type Range struct{ Begin, End uint64 }

// Task is a piece of work by what it does to memory.
type Task struct{ Reads, Writes []Range }

// Predecessors returns, for each task of a list that gives the right result when
// run in order, the earlier tasks that it must wait for: those that wrote what it
// reads or writes, and those that read what it writes. Tasks that others in the
// answer wait for anyway are left out, so that the edges are the fewest that keep
// the order. The latest predecessor comes first.
func Predecessors(tasks []Task) [][]int {
	var memory history
	before := make([]ancestors, len(tasks))
	all := make([][]int, len(tasks))
	for i, t := range tasks {
		var hazards []int
		for _, r := range t.Reads {
			hazards = memory.read(hazards, i, r)
		}
		for _, r := range t.Writes {
			hazards = memory.write(hazards, i, r)
		}
		slices.Sort(hazards)
		slices.Reverse(hazards)
		before[i] = make(ancestors, (i+63)/64)
		for _, j := range slices.Compact(hazards) {
			if j != i && !before[i].has(j) {
				all[i] = append(all[i], j)
				before[i].merge(before[j])
				before[i].add(j)
			}
		}
	}
	return all
}

// history is what happened to memory so far: spans in order of address, none
// overlapping.
type history []span

// span is memory that the same tasks have used.
type span struct {
	Range
	writer  int   // the last one, −1 where there is none
	readers []int // since then
}

// read notes that a task reads a range, and appends the tasks it must wait for.
func (h *history) read(hazards []int, task int, r Range) []int {
	touched := h.cut(r)
	for i := range touched {
		s := &touched[i]
		if s.writer >= 0 {
			hazards = append(hazards, s.writer)
		}
		s.readers = append(slices.Clip(s.readers), task)
	}
	return hazards
}

// write notes that a task writes a range, and appends the tasks it must wait for.
func (h *history) write(hazards []int, task int, r Range) []int {
	touched := h.cut(r)
	for i := range touched {
		s := &touched[i]
		if s.writer >= 0 {
			hazards = append(hazards, s.writer)
		}
		hazards = append(hazards, s.readers...)
	}
	if len(touched) > 0 {
		touched[0] = span{Range: r, writer: task}
		at, _ := slices.BinarySearchFunc(*h, r.Begin, func(s span, begin uint64) int { return cmp.Compare(s.Begin, begin) })
		*h = slices.Delete(*h, at+1, at+len(touched))
	}
	return hazards
}

// cut returns the spans that make up a range exactly: those at its ends are split
// and gaps are filled.
func (h *history) cut(r Range) []span {
	if r.Begin >= r.End {
		return nil
	}
	old := *h
	first, _ := slices.BinarySearchFunc(old, r.Begin, func(s span, begin uint64) int { return cmp.Compare(s.End, begin+1) })
	var pieces []span
	at, next := r.Begin, first
	for ; next < len(old) && old[next].Begin < r.End; next++ {
		s := old[next]
		if s.Begin < r.Begin {
			left := s
			left.End = r.Begin
			pieces = append(pieces, left)
			s.Begin = r.Begin
		}
		if at < s.Begin {
			pieces = append(pieces, span{Range: Range{at, s.Begin}, writer: -1})
		}
		inside := s
		inside.End = min(s.End, r.End)
		pieces = append(pieces, inside)
		at = inside.End
		if s.End > r.End {
			right := s
			right.Begin = r.End
			pieces = append(pieces, right)
		}
	}
	if at < r.End {
		pieces = append(pieces, span{Range: Range{at, r.End}, writer: -1})
	}
	*h = slices.Replace(old, first, next, pieces...)
	lo, hi := first, first+len(pieces)
	if (*h)[lo].Begin < r.Begin {
		lo++
	}
	if (*h)[hi-1].End > r.End {
		hi--
	}
	return (*h)[lo:hi]
}

// ancestors is the set of tasks that a task waits for, directly or not.
type ancestors []uint64

func (a ancestors) add(task int) { a[task/64] |= 1 << (task % 64) }

func (a ancestors) has(task int) bool { return a[task/64]&(1<<(task%64)) != 0 }

func (a ancestors) merge(b ancestors) {
	for i, word := range b {
		a[i] |= word
	}
}
