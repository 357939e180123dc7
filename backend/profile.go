package backend

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Profiler is an Executable that can tell how long each of its Ops takes.
type Profiler interface {
	// Profile runs the Program once, as Run does, but one Op after the other, and
	// waits for it. Times include what starting an Op costs.
	Profile(ctx context.Context) (Profile, error)
}

// ProfileOf runs an Executable once and tells how long each Op took. The error wraps
// ErrUnsupported where the backend cannot tell.
func ProfileOf(ctx context.Context, e Executable) (Profile, error) {
	if p, ok := e.(Profiler); ok {
		return p.Profile(ctx)
	}
	return Profile{}, fmt.Errorf("backend: Profile: %w: the backend does not measure the times of Ops", ErrUnsupported)
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
	return max(p.Arithmetic(o), p.Traffic(o))
}

// Arithmetic is the rate of the FLOPs that an Op executed, as a part of what the device
// can do; 0 where that is unknown.
func (p Profile) Arithmetic(o OpTime) float64 { return part(o.rate(o.Executed), p.FLOPs) }

// Traffic is the rate of the bytes that an Op needs to access, as a part of what the
// memory can do; 0 where that is unknown. Cached operands can make it more than 1.
func (p Profile) Traffic(o OpTime) float64 { return part(o.rate(o.Cost.Bytes), p.Bytes) }

// Share is the part of the time of all Ops that one of them takes.
func (p Profile) Share(o OpTime) float64 { return part(o.Time.Seconds(), p.Total().Seconds()) }

func part(x, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return x / whole
}

// rate is a number of things in a second.
func (o OpTime) rate(n int64) float64 { return part(float64(n), o.Time.Seconds()) }

// NominalRate is how many FLOPs of its formula the Op did in a second.
func (o OpTime) NominalRate() float64 { return o.rate(o.Cost.FLOPs) }

// ExecutedRate is how many FLOPs its algorithm did in a second.
func (o OpTime) ExecutedRate() float64 { return o.rate(o.Executed) }

// ByteRate is how many of the bytes that it has to access at least it did in a second.
func (o OpTime) ByteRate() float64 { return o.rate(o.Cost.Bytes) }

// Total is the time of all Ops.
func (p Profile) Total() time.Duration { return p.Sum().Time }

// Sum is all Ops as if they were one.
func (p Profile) Sum() OpTime {
	all := OpTime{Label: "all"}
	for _, o := range p.Ops {
		all.Cost, all.Executed, all.Time = all.Cost.Add(o.Cost), all.Executed+o.Executed, all.Time+o.Time
	}
	return all
}

// MedianProfile takes for each Op the median of its times in profiles of the same
// Program, of which there must be one at least; of an even number, the lower one.
func MedianProfile(profiles []Profile) Profile {
	m := profiles[0]
	m.Ops = slices.Clone(m.Ops)
	times := make([]time.Duration, len(profiles))
	for i := range m.Ops {
		for j, p := range profiles {
			times[j] = p.Ops[i].Time
		}
		slices.Sort(times)
		m.Ops[i].Time = times[(len(times)-1)/2]
	}
	return m
}

// String is a table with a line for each Op, and one for all of them: time and share of
// the whole; the rates of nominal and of executed FLOPs and of bytes, and which part of
// the device's peak the latter two are. It has at most 120 columns, unless it takes more
// to write the numbers.
func (p Profile) String() string {
	rows := [][]string{{"layer", "op", "algorithm", "time", "share", "GFLOP/s", "executed", "of peak", "GB/s", "of peak"}}
	for _, o := range append(slices.Clip(p.Ops), p.Sum()) {
		rows = append(rows, []string{o.Label, o.Kind, o.Algorithm, short(o.Time), percent(p.Share(o)),
			giga(o.NominalRate()), giga(o.ExecutedRate()), percent(p.Arithmetic(o)), giga(o.ByteRate()), percent(p.Traffic(o))})
	}
	widths, texts := [10]int{3: 10, 7, 8, 9, 8, 8, 8}, 3 // columns, the first of which hold texts
	for _, row := range rows {
		for i, s := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(s))
		}
	}
	left := 120 - (len(widths) - 1)
	for _, w := range widths[texts:] {
		left -= w
	}
	widths[0], widths[2] = min(widths[0], 16), min(widths[2], 14)
	widths[1] = min(widths[1], max(left-widths[0]-widths[2], len("op")))
	var b strings.Builder
	for _, row := range rows {
		for i, s := range row {
			if i < texts {
				b.WriteString(cell(s, widths[i]))
			} else {
				fmt.Fprintf(&b, " %*s", widths[i], s)
			}
			if i < texts-1 {
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// cell pads text to a width in characters, or cuts it.
func cell(text string, width int) string {
	n := utf8.RuneCountInString(text)
	if n > width {
		return string([]rune(text)[:width-1]) + "…"
	}
	return text + strings.Repeat(" ", width-n)
}

// short writes a duration with four or five digits.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(100 * time.Nanosecond).String()
	case d < time.Second:
		return fmt.Sprintf("%.2fms", float64(d.Nanoseconds())/1e6)
	}
	return fmt.Sprintf("%.2fs", d.Seconds())
}

// giga and percent write numbers for the table; what is nothing or unknown is a dash.
func giga(x float64) string {
	if x == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", x/1e9)
}

func percent(x float64) string {
	if x == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*x)
}
