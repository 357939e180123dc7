package cpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"fovea/cpu/internal/spin"
)

// maxThreads bounds the goroutines of one backend, and with them the workspace
// that is kept for each.
const maxThreads = 256

// workers are goroutines that help whoever has work to share. The one who has it, the
// leader, always works himself, and does all of it if no helper is free; so any number
// of runs can go on at once.
//
// Waking a goroutine that sleeps takes several µs, and on a virtual machine a hundred.
// So whoever waits looks out for what he waits for, for a while, before he sleeps:
// helpers for the next step, and the leader for the last part of his step. They do so
// only as long as all of them have a processor each.
type workers struct {
	threads int // helpers, and the one they help
	helpers sync.WaitGroup
	closing atomic.Bool

	// leaders counts those between enter and leave, board has their jobs. Who finds no
	// place there works alone.
	leaders atomic.Int64
	board   [16]atomic.Pointer[job]

	_ [64]byte // what helpers look at is not what leaders count
	// posted rises with every step that is shared.
	posted atomic.Uint64
	// asleep counts the helpers that sleep, or are about to, and have not been called.
	asleep atomic.Int64
	call   chan struct{} // wakes one of them
}

func newWorkers(threads int) *workers {
	w := &workers{threads: threads, call: make(chan struct{}, threads)}
	for i := 1; i < threads; i++ {
		w.helpers.Go(func() { w.help(i) })
	}
	return w
}

// close ends the helpers. Nobody may have work any more.
func (w *workers) close() {
	w.closing.Store(true)
	w.posted.Add(1)
	close(w.call)
	w.helpers.Wait()
}

// job is a step that is being executed. Each Executable has one, used again and
// again; its zero value is not ready, see newJob.
type job struct {
	place int // on the board; −1 if there was none
	work  func(part, worker int)
	// shares are stretches of the parts. Each goroutine begins with its own, so that it
	// finds what it has made in the step before in the cache of its processor, and then
	// goes on with what others have not begun.
	shares []share
	all    [maxShares]share
	// state says whether helpers may enter and how many more, whether the leader
	// sleeps, and how many helpers are inside.
	state atomic.Uint64
	empty chan struct{} // wakes the leader when the last helper has left
}

// share is a stretch of the parts of a step, from next to end−1.
type share struct {
	next atomic.Int64
	end  int64
	_    [112]byte // a processor may fetch two lines of a cache at once
}

const maxShares = 16

// The parts of a job's state.
const (
	jobInside   = 1 // a helper that is inside
	jobInsides  = 1<<16 - 1
	jobSleeping = 1 << 16 // the leader sleeps, or is about to
	jobSeat     = 1 << 32 // one more helper may enter
)

func newJob() *job { return &job{place: -1, empty: make(chan struct{}, 1)} }

// enter makes a job known to the helpers, and leave makes it unknown again. The steps
// of the job are done in between.
func (w *workers) enter(j *job) {
	if w.threads == 1 {
		return
	}
	w.leaders.Add(1)
	for i := range w.board {
		if w.board[i].Load() == nil && w.board[i].CompareAndSwap(nil, j) {
			j.place = i
			return
		}
	}
}

func (w *workers) leave(j *job) {
	if w.threads == 1 {
		return
	}
	if j.place >= 0 {
		w.board[j.place].Store(nil)
		j.place = -1
	}
	w.leaders.Add(-1)
}

// do executes all parts of a step and returns when they are done. Each part is
// given to one goroutine; worker, below threads, is different for those that work
// at the same time.
func (w *workers) do(j *job, parts int, work func(part, worker int)) {
	if parts == 1 || j.place < 0 {
		for i := range parts {
			work(i, 0)
		}
		return
	}
	seats := min(parts, w.threads) - 1
	j.work = work
	j.shares = j.all[:min(parts, w.threads, maxShares)]
	for i := range j.shares {
		j.shares[i].next.Store(int64(i * parts / len(j.shares)))
		j.shares[i].end = int64((i + 1) * parts / len(j.shares))
	}
	j.state.Store(uint64(seats) * jobSeat)
	w.posted.Add(1)
	w.wake(seats - (w.threads - 1 - int(w.asleep.Load())))
	j.run(0)
	w.finish(j)
}

// wake calls n helpers, if so many sleep.
func (w *workers) wake(n int) {
	for ; n > 0; n-- {
		if !w.answer() {
			return
		}
		w.call <- struct{}{}
	}
}

// answer takes one helper off those that are asleep, if there are any.
func (w *workers) answer() bool {
	for {
		n := w.asleep.Load()
		if n == 0 {
			return false
		}
		if w.asleep.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// finish closes a job to helpers and waits until those inside have left.
func (w *workers) finish(j *job) {
	for {
		s := j.state.Load()
		if !j.state.CompareAndSwap(s, s&jobInsides) {
			continue
		}
		if s&jobInsides == 0 {
			return
		}
		break
	}
	if w.spins() {
		for start := time.Now(); time.Since(start) < patience; {
			for range 64 {
				if j.state.Load() == 0 {
					return
				}
				spin.Pause(1)
			}
		}
	}
	if j.state.Add(jobSleeping) != jobSleeping {
		<-j.empty
	}
	j.state.Store(0)
}

// patience is how long somebody looks out before he sleeps: longer than what lies
// between two steps, and about as long as it takes to be woken.
const patience = 50 * time.Microsecond

// spins reports whether everybody who may work now has a processor.
func (w *workers) spins() bool {
	return int(w.leaders.Load())+w.threads-1 <= runtime.GOMAXPROCS(0)
}

// help is the life of a helper.
func (w *workers) help(worker int) {
	for !w.closing.Load() {
		seen := w.posted.Load()
		helped := false
		for i := range w.board {
			if j := w.board[i].Load(); j != nil && j.help(worker) {
				helped = true
			}
		}
		if helped || w.look(seen) {
			continue
		}
		w.asleep.Add(1)
		if w.posted.Load() == seen || !w.answer() {
			<-w.call
		}
	}
}

// look looks out for a step that has been posted since, and reports whether it has
// seen one.
func (w *workers) look(seen uint64) bool {
	if !w.spins() {
		return false
	}
	for start := time.Now(); time.Since(start) < patience; {
		for range 64 {
			if w.posted.Load() != seen {
				return true
			}
			spin.Pause(1)
		}
	}
	return false
}

// help enters the job, if there is a seat, and works there. The job may be one that
// was posted after its place on the board was looked at.
func (j *job) help(worker int) bool {
	for {
		s := j.state.Load()
		if s < jobSeat {
			return false
		}
		if j.state.CompareAndSwap(s, s-jobSeat+jobInside) {
			break
		}
	}
	j.run(worker)
	for {
		s := j.state.Load()
		// The leader that sleeps stores the state when it has heard of this.
		if s == jobSleeping+jobInside {
			j.empty <- struct{}{}
			return true
		}
		if j.state.CompareAndSwap(s, s-jobInside) {
			return true
		}
	}
}

func (j *job) run(worker int) {
	for i := range j.shares {
		s := &j.shares[(worker+i)%len(j.shares)]
		for s.next.Load() < s.end {
			if part := s.next.Add(1) - 1; part < s.end {
				j.work(int(part), worker)
			}
		}
	}
}
