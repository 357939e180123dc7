package cpu

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
)

// TestCheaperInputGradient holds the estimate to what was measured: few channels
// under a large filter are scattered, many are gathered.
func TestCheaperInputGradient(t *testing.T) {
	c := &compiler{device: closing(t, "cpu", 1)}
	scatters := map[string]bool{"lenet2": true}
	for _, l := range layers {
		if l.firstOfNetwork {
			continue
		}
		op := l.program("input").Code[0].Op.(*backend.Conv2DInputGrad)
		if c.device.gemm.NR() < 8 && l.name == "lenet2" {
			continue // narrow panels waste nothing on six channels
		}
		assert.Equal(t, scatters[l.name], c.newInputScatter(op).cost() < c.gatherCost(op), l.name)
	}
}
