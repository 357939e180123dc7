package main

import (
	"bytes"
	"os"
	"runtime/metrics"
	"strconv"
	"time"
)

// meter measures what the process costs.
type meter struct {
	start   time.Time
	samples []metrics.Sample
	highest uint64
}

func newMeter() *meter {
	return &meter{start: time.Now(), samples: []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}}
}

func (m *meter) elapsed() time.Duration { return time.Since(m.start) }

// sample looks at the memory that the Go runtime holds at present.
func (m *meter) sample() {
	metrics.Read(m.samples)
	m.highest = max(m.highest, m.samples[0].Value.Uint64()-m.samples[1].Value.Uint64())
}

// peak returns the most memory that the process has held so far, in bytes: on Linux
// the peak of its resident set (VmHWM), program and libraries included; elsewhere
// the highest sample. getrusage would not do, because its peak includes what the
// parent process held when it started this one, as the go command does.
func (m *meter) peak() int64 {
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		if _, after, ok := bytes.Cut(status, []byte("VmHWM:")); ok {
			if fields := bytes.Fields(after); len(fields) > 0 {
				if kib, err := strconv.ParseInt(string(fields[0]), 10, 64); err == nil {
					return kib << 10
				}
			}
		}
	}
	m.sample()
	return int64(m.highest)
}
