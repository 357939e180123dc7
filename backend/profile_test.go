package backend

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestProfile(t *testing.T) {
	p := Profile{FLOPs: 1e12, Bytes: 1e11, Ops: []OpTime{
		{Label: "c1", Kind: "Conv2D", Cost: Cost{FLOPs: 6e6, Bytes: 1e5}, Executed: 6e6, Time: 10 * time.Microsecond},    // 6 µs of arithmetic, 1 of memory
		{Label: "relu", Kind: "Unary", Cost: Cost{FLOPs: 1e6, Bytes: 2.7e6}, Executed: 1e6, Time: 30 * time.Microsecond}, // 1 µs and 27
		{Label: "none", Kind: "Fill"},
	}}
	assert.InDelta(t, 0.6, p.Limit(p.Ops[0]), 1e-12)
	assert.InDelta(t, 0.9, p.Limit(p.Ops[1]), 1e-12)
	assert.Zero(t, p.Limit(p.Ops[2]), "no time")
	assert.Zero(t, Profile{}.Limit(p.Ops[0]), "nothing is known of the device")
	assert.Equal(t, 40*time.Microsecond, p.Total())
	assert.Equal(t, ""+
		"layer            op                       time   share    GFLOP/s      GB/s   limit\n"+
		"c1               Conv2D                   10µs  25.0 %      600.0      10.0  60.0 %\n"+
		"relu             Unary                    30µs  75.0 %       33.3      90.0  90.0 %\n"+
		"none             Fill                       0s   0.0 %        0.0       0.0   0.0 %\n"+
		"all                                       40µs\n", p.String())
}
