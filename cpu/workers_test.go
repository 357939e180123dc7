package cpu

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
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
		w.do(newJob(), 3, func(int, int) {
			inside <- struct{}{}
			<-release
		})
	})
	for range 3 {
		<-inside
	}
	done := 0
	w.do(newJob(), 10, func(_, worker int) {
		assert.Zero(t, worker)
		done++
	})
	assert.Equal(t, 10, done)
	close(release)
	blocked.Wait()
}

func TestWorkersAllocateNothing(t *testing.T) {
	w := newWorkers(2)
	defer w.close()
	j := newJob()
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
