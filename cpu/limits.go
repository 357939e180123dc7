package cpu

import (
	"sync"
	"time"
)

// limits is what the machine can do at most in a second, measured when somebody first
// wants to know: floating-point operations, and bytes from and to memory.
type limits struct {
	once         sync.Once
	flops, bytes float64
}

// measuredLimits measures them, which takes some 50 ms of all threads.
func (d *device) measuredLimits() (flops, bytes float64) {
	d.lifetime.RLock()
	defer d.lifetime.RUnlock()
	l := &d.limits
	l.once.Do(func() {
		if d.closed {
			return // and nobody will ask again
		}
		j := newJob()
		d.workers.enter(j)
		defer d.workers.leave(j)
		l.flops, l.bytes = d.peak(j), d.bandwidth(j)
	})
	return l.flops, l.bytes
}

// rounds is how often a rate is measured. The best counts: what disturbs others is not
// the machine's limit.
const rounds = 5

// peak measures multiply-adds in registers.
func (d *device) peak(j *job) float64 {
	const part = 300 * time.Microsecond
	iterations, flop := 500, 0
	for t := time.Duration(0); t < part; {
		iterations *= 2
		start := time.Now()
		flop = d.gemm.Peak(iterations)
		t = time.Since(start)
	}
	parts := 4 * d.workers.threads
	return d.rate(j, parts, parts*flop, func(int, int) { d.gemm.Peak(iterations) })
}

// streamed is what a measurement of bandwidth uses, in bytes: more than the last cache
// of most machines holds, and little enough that the system hands it over in some 30 ms.
const streamed = 64 << 20

// bandwidth measures copies and sums of vectors; 0 if there is not enough memory.
func (d *device) bandwidth(j *job) float64 {
	memory, err := aligned(streamed)
	if err != nil {
		return 0
	}
	const part = 1 << 19
	block := func(i int) []byte { return memory[i*part : (i+1)*part] }
	const blocks = streamed / part
	// Pages that nobody has written share one page of zeros.
	d.workers.do(j, blocks, func(i, _ int) { clear(block(i)) })
	copies := d.rate(j, blocks/2, streamed, func(i, _ int) { copy(block(i+blocks/2), block(i)) })
	sums := d.rate(j, blocks, streamed, func(i, _ int) { d.vec.Sum(as[float32](block(i))) })
	return max(copies, sums)
}

// rate is how much of what a step does is done in a second.
func (d *device) rate(j *job, parts, amount int, work func(part, worker int)) (best float64) {
	for range rounds {
		start := time.Now()
		d.workers.do(j, parts, work)
		best = max(best, float64(amount)/time.Since(start).Seconds())
	}
	return best
}
