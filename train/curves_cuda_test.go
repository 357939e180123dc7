//go:build cuda

package train

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestCurvesOfPyTorchOnCUDA allows what TestCurvesOfPyTorchInFloat32 does. On a
// simulated driver the VGG takes few steps.
func TestCurvesOfPyTorchOnCUDA(t *testing.T) {
	for _, name := range curveNames {
		t.Run(name, func(t *testing.T) {
			c := readCurve(t, name)
			b := openCUDA(t)
			steps := c.Steps
			if simulated() {
				steps = curveSteps(c)
				if c.Model == "vgg" {
					steps = min(steps, 3) // two seconds of two processors each
				}
			}
			losses := c.losses(t, b, steps, false, nil)
			worst, step := departure(losses, c.LossesFloat64)
			t.Logf("%d steps, largest departure from PyTorch's float64 losses: %.2g at step %d; PyTorch's own in float32: %.2g", steps, worst, step, c.ownDeparture())
			assert.LessOrEqual(t, worst, 4*c.ownDeparture(), "step %d: %v, expected %v", step, losses[step], c.LossesFloat64[step])
		})
	}
}
