package backend

import "sort"

// MemoryPlan places the scratch buffers and workspaces of a Program in one
// arena, so that buffers that are never alive together share bytes.
type MemoryPlan struct {
	// Offsets holds the byte offset of each scratch buffer in the arena, indexed
	// by BufferID; -1 for bound buffers and for scratch that no Op touches.
	Offsets []int
	// Workspaces holds the offset of each instruction's workspace; -1 where it
	// needs none.
	Workspaces []int
	// Size is the arena's size in bytes.
	Size int
}

// Plan computes a MemoryPlan. A buffer is alive from its first to its last use;
// the workspace that the backend asks for an instruction, in bytes, is alive
// during that instruction alone (a nil function asks for none). Offsets are
// multiples of align, a power of two. Larger requests are placed first, each at
// the lowest offset that is free during its life.
func Plan(p *Program, align int, workspace func(i int, op Op) int) *MemoryPlan {
	plan := &MemoryPlan{Offsets: make([]int, len(p.Buffers)), Workspaces: make([]int, len(p.Code))}
	var reqs []request
	life := make([]request, len(p.Buffers))
	for i := range plan.Offsets {
		plan.Offsets[i] = -1
		life[i].first = -1
	}
	for i, in := range p.Code {
		for _, o := range in.Op.Operands() {
			r := &life[o.View.Buffer]
			if r.first < 0 {
				r.first = i
			}
			r.last = i
		}
		plan.Workspaces[i] = -1
		if workspace != nil {
			if n := workspace(i, in.Op); n > 0 {
				reqs = append(reqs, request{first: i, last: i, bytes: n, place: &plan.Workspaces[i]})
			}
		}
	}
	for id := 1; id < len(p.Buffers); id++ {
		if r := life[id]; p.Buffers[id].Kind == Scratch && r.first >= 0 {
			r.bytes, r.place = p.Buffers[id].Bytes(), &plan.Offsets[id]
			reqs = append(reqs, r)
		}
	}
	sort.SliceStable(reqs, func(i, j int) bool { return reqs[i].bytes > reqs[j].bytes })
	var placed []request // by offset
	for _, r := range reqs {
		at := 0
		for _, q := range placed {
			if q.last < r.first || r.last < q.first {
				continue
			}
			if at+r.bytes <= *q.place {
				break
			}
			at = max(at, (*q.place+q.bytes+align-1)&^(align-1))
		}
		*r.place = at
		plan.Size = max(plan.Size, at+r.bytes)
		i := sort.Search(len(placed), func(i int) bool { return *placed[i].place >= at })
		placed = append(placed, request{})
		copy(placed[i+1:], placed[i:])
		placed[i] = r
	}
	return plan
}

// request is memory that is needed from one instruction to another.
type request struct {
	first, last, bytes int
	place              *int
}
