package cpu

import (
	"sync"
	"sync/atomic"
)

// maxThreads bounds the goroutines of one backend, and with them the workspace
// that is kept for each.
const maxThreads = 256

// workers are goroutines that help whoever has work to share. The one who has it
// always works himself, and does all of it if no helper is free; so any number of
// runs can go on at once.
type workers struct {
	threads int // helpers, and the one they help
	jobs    chan *job
	running sync.WaitGroup
}

func newWorkers(threads int) *workers {
	w := &workers{threads: threads, jobs: make(chan *job, threads)}
	for i := 1; i < threads; i++ {
		w.running.Go(func() {
			for j := range w.jobs {
				j.help(i)
			}
		})
	}
	return w
}

// close ends the helpers. Nobody may have work any more.
func (w *workers) close() {
	close(w.jobs)
	w.running.Wait()
}

// job is a step that is being executed. Each Executable has one, used again and
// again; its zero value is not ready, see newJob.
type job struct {
	work  func(part, worker int)
	parts int64
	next  atomic.Int64
	// state counts the helpers that are inside, plus jobOpen while they may enter.
	state atomic.Int64
	empty chan struct{} // the last helper that leaves a closed job says so
}

const jobOpen = 1 << 32

func newJob() *job { return &job{empty: make(chan struct{}, 1)} }

// do executes all parts of a step and returns when they are done. Each part is
// given to one goroutine; worker, below threads, is different for those that work
// at the same time.
func (w *workers) do(j *job, parts int, work func(part, worker int)) {
	if parts == 1 || w.threads == 1 {
		for i := range parts {
			work(i, 0)
		}
		return
	}
	j.work, j.parts = work, int64(parts)
	j.next.Store(0)
	j.state.Store(jobOpen)
	for range min(parts, w.threads) - 1 {
		select {
		case w.jobs <- j:
		default: // all helpers have enough to do
		}
	}
	j.run(0)
	if j.state.Add(-jobOpen) != 0 {
		<-j.empty
	}
}

// help enters the job, unless it has been closed in the meantime. A late helper
// may find the job open again for another step, and then helps with that.
func (j *job) help(worker int) {
	for {
		s := j.state.Load()
		if s < jobOpen {
			return
		}
		if j.state.CompareAndSwap(s, s+1) {
			break
		}
	}
	j.run(worker)
	if j.state.Add(-1) == 0 {
		j.empty <- struct{}{}
	}
}

func (j *job) run(worker int) {
	for {
		i := j.next.Add(1) - 1
		if i >= j.parts {
			return
		}
		j.work(int(i), worker)
	}
}
