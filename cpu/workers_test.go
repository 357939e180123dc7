package cpu

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWorkersDoEveryPartOnce runs many steps from several goroutines at once, as
// several Executables do.
func TestWorkersDoEveryPartOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 5} {
		w := newWorkers(threads)
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				j := newJob()
				w.enter(j)
				defer w.leave(j)
				for step := range 200 {
					parts := step%17 + 1
					counts := make([]atomic.Int32, parts)
					busy := make([]atomic.Int32, threads)
					w.do(j, parts, func(part, worker int) {
						counts[part].Add(1)
						assert.Equal(t, int32(1), busy[worker].Add(1), "two goroutines have one number")
						busy[worker].Add(-1)
					})
					for i := range counts {
						assert.Equal(t, int32(1), counts[i].Load(), "part %d of %d", i, parts)
					}
				}
			})
		}
		callers.Wait()
		w.close()
	}
}

// TestWorkersDoNotWaitForHelpers keeps all helpers busy: the caller does the work
// alone.
func TestWorkersDoNotWaitForHelpers(t *testing.T) {
	w := newWorkers(3)
	defer w.close()
	release := make(chan struct{})
	inside := make(chan struct{}, 3)
	var blocked sync.WaitGroup
	blocked.Go(func() {
		j := newJob()
		w.enter(j)
		defer w.leave(j)
		w.do(j, 3, func(int, int) {
			inside <- struct{}{}
			<-release
		})
	})
	for range 3 {
		<-inside
	}
	done := 0
	j := newJob()
	w.enter(j)
	defer w.leave(j)
	w.do(j, 10, func(_, worker int) {
		assert.Zero(t, worker)
		done++
	})
	assert.Equal(t, 10, done)
	close(release)
	blocked.Wait()
}

// TestLeaderSleepsUntilTheLastPartIsDone gives helpers parts that take longer than
// anybody is patient.
func TestLeaderSleepsUntilTheLastPartIsDone(t *testing.T) {
	w := newWorkers(3)
	defer w.close()
	j := newJob()
	w.enter(j)
	defer w.leave(j)
	for range 20 {
		var begun sync.WaitGroup
		begun.Add(3)
		var done atomic.Int32
		w.do(j, 3, func(_, worker int) {
			begun.Done()
			begun.Wait() // each goroutine has one part
			if worker > 0 {
				time.Sleep(time.Duration(worker) * 10 * patience)
			}
			done.Add(1)
		})
		assert.EqualValues(t, 3, done.Load())
	}
}

// TestHelpersSleep: a process that has nothing to do costs nothing.
func TestHelpersSleep(t *testing.T) {
	w := newWorkers(4)
	defer w.close()
	j := newJob()
	for range 3 {
		require.Eventually(t, func() bool { return w.asleep.Load() == 3 }, time.Minute, time.Millisecond)
		w.enter(j)
		for range 10 {
			w.do(j, 40, func(int, int) {})
		}
		w.leave(j)
	}
}

// TestLeadersWithoutAPlaceWorkAlone has more jobs than the board has places.
func TestLeadersWithoutAPlaceWorkAlone(t *testing.T) {
	w := newWorkers(2)
	defer w.close()
	jobs := make([]*job, len(w.board)+1)
	for i := range jobs {
		jobs[i] = newJob()
		w.enter(jobs[i])
	}
	last := jobs[len(w.board)]
	done := 0
	w.do(last, 100, func(_, worker int) {
		assert.Zero(t, worker)
		done++
	})
	assert.Equal(t, 100, done)
	for _, j := range jobs {
		w.leave(j)
	}
	assert.Zero(t, w.leaders.Load())
	w.enter(last)
	assert.Zero(t, last.place)
	w.leave(last)
}

func TestWorkersAllocateNothing(t *testing.T) {
	w := newWorkers(2)
	defer w.close()
	j := newJob()
	w.enter(j)
	defer w.leave(j)
	work := func(int, int) {}
	assert.Zero(t, testing.AllocsPerRun(100, func() { w.do(j, 8, work) }))
}

func TestCut(t *testing.T) {
	for _, c := range []struct{ n, grain, unit, parts, size int }{
		{1, 100, 16, 1, 16},
		{100, 100, 1, 1, 100},
		{199, 100, 1, 1, 199},
		{200, 100, 1, 2, 100},
		{200, 100, 16, 2, 112},
		{1 << 20, 1, 1, maxParts, 1 << 14},
		{65, 1, 1, 33, 2}, // parts of equal size
		{5, 0, 1, 5, 1},
	} {
		parts, size := cut(c.n, c.grain, c.unit)
		assert.Equal(t, []int{c.parts, c.size}, []int{parts, size}, "%+v", c)
		assert.GreaterOrEqual(t, parts*size, c.n)
		assert.Less(t, (parts-1)*size, c.n, "no part is empty")
	}
}

// BenchmarkHandOver measures how long a step takes whose two parts do nothing but meet,
// when steps follow each other at once and after a while.
func BenchmarkHandOver(b *testing.B) {
	for _, pause := range []time.Duration{0, 10 * time.Microsecond, time.Millisecond} {
		b.Run(pause.String(), func(b *testing.B) {
			w := newWorkers(2)
			defer w.close()
			j := newJob()
			w.enter(j)
			defer w.leave(j)
			// Both parts take as long as it takes the other goroutine to come.
			var arrived [2]atomic.Int64
			round := int64(0)
			work := func(part, worker int) {
				arrived[part].Store(round)
				for arrived[1-part].Load() != round {
				}
			}
			var times []time.Duration
			for b.Loop() {
				round++
				for start := time.Now(); time.Since(start) < pause; {
				}
				start := time.Now()
				w.do(j, 2, work)
				times = append(times, time.Since(start))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Nanoseconds()), "median-ns/step")
			b.ReportMetric(float64(times[len(times)*9/10].Nanoseconds()), "90%-ns/step")
		})
	}
}
