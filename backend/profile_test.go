package backend

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProfile(t *testing.T) {
	p := Profile{FLOPs: 1e12, Bytes: 1e11, Ops: []OpTime{
		{Label: "c1", Kind: "Conv2D", Algorithm: "winograd 4×4", Cost: Cost{FLOPs: 9e6, Bytes: 1e5}, Executed: 6e6, Time: 10 * time.Microsecond}, // 6 µs of arithmetic, 1 of memory
		{Label: "relu", Kind: "Unary", Cost: Cost{FLOPs: 1e6, Bytes: 2.7e6}, Executed: 1e6, Time: 30 * time.Microsecond},                         // 1 µs and 27
		{Label: "none", Kind: "Fill"},
	}}
	assert.InDelta(t, 0.6, p.Limit(p.Ops[0]), 1e-12)
	assert.InDelta(t, 0.1, p.Traffic(p.Ops[0]), 1e-12)
	assert.InDelta(t, 0.9, p.Limit(p.Ops[1]), 1e-12)
	assert.Zero(t, p.Limit(p.Ops[2]), "no time")
	assert.Zero(t, Profile{}.Limit(p.Ops[0]), "nothing is known of the device")
	assert.Equal(t, 40*time.Microsecond, p.Total())
	assert.Equal(t, OpTime{Label: "all", Cost: Cost{FLOPs: 1e7, Bytes: 2.8e6}, Executed: 7e6, Time: 40 * time.Microsecond}, p.Sum())
	assert.Equal(t, ""+
		"layer op     algorithm          time   share  GFLOP/s  executed  of peak     GB/s  of peak\n"+
		"c1    Conv2D winograd 4×4       10µs  25.0 %    900.0     600.0   60.0 %     10.0   10.0 %\n"+
		"relu  Unary                     30µs  75.0 %     33.3      33.3    3.3 %     90.0   90.0 %\n"+
		"none  Fill                        0s       –        –         –        –        –        –\n"+
		"all                             40µs 100.0 %    250.0     175.0   17.5 %     70.0   70.0 %\n", p.String())
}

// TestProfileIsNarrow has the longest of everything.
func TestProfileIsNarrow(t *testing.T) {
	p := Profile{FLOPs: 1e9, Bytes: 1e8, Ops: []OpTime{
		{Label: strings.Repeat("ß", 50), Kind: strings.Repeat("Conv2D+", 9), Algorithm: "an algorithm with a very long name", Cost: Cost{FLOPs: 1e15, Bytes: 1e14}, Executed: 1e15, Time: 123456789123},
		{Label: strings.Repeat("ß", 50), Kind: "Conv2DFilterGrad", Algorithm: "direct", Cost: Cost{FLOPs: 1e12, Bytes: 1e12}, Executed: 1e12, Time: 123456789},
	}}
	for line := range strings.Lines(p.String()) {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), 120+1, line)
	}
}

// TestProfileOfVeryLongNumbers has a clock that hardly moves, which leaves no room for texts; and no Op at all.
func TestProfileOfVeryLongNumbers(t *testing.T) {
	o := OpTime{Label: strings.Repeat("l", 50), Kind: "Conv2DFilterGrad", Algorithm: strings.Repeat("a", 50), Cost: Cost{FLOPs: 1e15, Bytes: 1e14}, Executed: 1e15, Time: 1}
	table := Profile{FLOPs: 1e9, Bytes: 1e8, Ops: []OpTime{o}}.String()
	assert.Contains(t, table, "lllllllllllllll… C… aaaaaaaaaaaaa…         0s 100.0 % 1000000000000000.0 ")
	assert.Equal(t, ""+
		"layer op algorithm       time   share  GFLOP/s  executed  of peak     GB/s  of peak\n"+
		"all                        0s       –        –         –        –        –        –\n", Profile{}.String())
}

func TestMedianProfile(t *testing.T) {
	run := func(a, b time.Duration) Profile {
		return Profile{FLOPs: 3, Ops: []OpTime{{Label: "a", Time: a}, {Label: "b", Time: b}}}
	}
	runs := []Profile{run(5, 1), run(1, 2), run(3, 9), run(4, 8)}
	m := MedianProfile(runs)
	assert.Equal(t, run(3, 2), m)
	assert.Equal(t, run(5, 1), runs[0], "it stays as it was")
	assert.Equal(t, run(1, 2), MedianProfile(runs[1:2]))
}

type mute struct{ Executable }

func TestProfileOfAnExecutableThatCannotTell(t *testing.T) {
	_, err := ProfileOf(context.Background(), mute{})
	require.ErrorIs(t, err, ErrUnsupported)
}
