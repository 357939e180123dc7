// Package spin waits for other cores without giving up the own one.
package spin

//go:generate go run -C ../asmgen . spin

// Pause waits for n times as long as the processor's hint for loops that wait, which
// leaves the other thread of the core its units: 10 to 50 ns on most. It stays on its
// core, cannot be preempted, and returns.
func Pause(n int) { pause(n) }
