package backend

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Profiler is an Executable that can tell how long each of its Ops takes.
type Profiler interface {
	// Profile runs the Program once, as Run does, but one Op after the other, and
	// waits for it. Times include what starting an Op costs.
	Profile(ctx context.Context) (Profile, error)
}

// Profile is how long the Ops of one run took, and what the device could do.
type Profile struct {
	Ops []OpTime
	// FLOPs and Bytes are what the device can do at most in a second: float32
	// operations, and bytes from and to its memory. 0 is unknown.
	FLOPs, Bytes float64
}

// OpTime is the time of one instruction.
type OpTime struct {
	Label, Kind string
	// Algorithm names the way in which the Op was computed, where there are several.
	Algorithm string
	// Cost is nominal; Executed are the floating-point operations that the algorithm
	// really does: fewer where it multiplies transformed tiles or leaves padded taps out.
	Cost     Cost
	Executed int64
	Time     time.Duration
}

// Limit is the part of the device's limit that an Op reached: the time that the FLOPs
// it executes or its bytes need at least, whichever is longer, over the time that it took.
// It is 0 where that is unknown. Cached operands can make it more than 1.
func (p Profile) Limit(o OpTime) float64 {
	least := 0.0
	if p.FLOPs > 0 {
		least = float64(o.Executed) / p.FLOPs
	}
	if p.Bytes > 0 {
		least = max(least, float64(o.Cost.Bytes)/p.Bytes)
	}
	if o.Time <= 0 {
		return 0
	}
	return least / o.Time.Seconds()
}

// Total is the time of all Ops.
func (p Profile) Total() time.Duration {
	var t time.Duration
	for _, o := range p.Ops {
		t += o.Time
	}
	return t
}

// String is a table with one line for each Op: its time and share of the whole, its
// rates, and the part of the device's limit that it reached.
func (p Profile) String() string {
	var b strings.Builder
	total := p.Total()
	fmt.Fprintf(&b, "%-16s %-18s %10s %7s %10s %9s %7s\n", "layer", "op", "time", "share", "GFLOP/s", "GB/s", "limit")
	for _, o := range p.Ops {
		var share, flops, bytes float64
		if o.Time > 0 {
			s := o.Time.Seconds()
			share, flops, bytes = s/total.Seconds(), float64(o.Cost.FLOPs)/s, float64(o.Cost.Bytes)/s
		}
		fmt.Fprintf(&b, "%-16s %-18s %10s %5.1f %% %10.1f %9.1f %5.1f %%\n", o.Label, o.Kind, o.Time.Round(100*time.Nanosecond), 100*share, flops/1e9, bytes/1e9, 100*p.Limit(o))
	}
	fmt.Fprintf(&b, "%-35s %10s\n", "all", total.Round(100*time.Nanosecond))
	return b.String()
}
