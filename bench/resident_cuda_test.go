//go:build cuda

package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/data"
	"fovea/nn"
	"fovea/train"
)

// BenchmarkResident measures training steps on a set that lies on the device: only
// the rows of a batch come from the host, then as in BenchmarkTraining.
func BenchmarkResident(b *testing.B) {
	for _, model := range models {
		for _, batch := range []int{64, 128} {
			b.Run(fmt.Sprintf("%s/%d", model.Name, batch), func(b *testing.B) {
				const examples = 1024
				r := rand.New(rand.NewPCG(1, 2))
				images := data.Images{Height: model.Input[0], Width: model.Input[1], Channels: model.Input[2], Bytes: make([]uint8, examples*model.Input.Elements())}
				for i := range images.Bytes {
					images.Bytes[i] = uint8(r.Uint32())
				}
				labels, names, rows := make([]int32, examples), make([]string, classes), make([]int32, batch)
				for i := range labels {
					labels[i] = r.Int32N(classes)
				}
				for i := range names {
					names[i] = strconv.Itoa(i)
				}
				set, err := data.NewClassification("noise", images, labels, names)
				require.NoError(b, err)
				net := network(b, model)
				trainer, err := train.NewTrainer(net, train.TrainerConfig{Loss: nn.SoftmaxCrossEntropy, Optimizer: adam, Resident: set})
				require.NoError(b, err)
				b.Cleanup(func() { require.NoError(b, trainer.Close()) })
				perSecond := measure(b, net.Backend, trainingCost(b, net, batch),
					func() error {
						for i := range rows {
							rows[i] = r.Int32N(examples)
						}
						return trainer.StepRows(context.Background(), rows)
					},
					func() error { _, err := trainer.Loss(); return err })
				b.ReportMetric(float64(batch)*perSecond, "images/s")
			})
		}
	}
}
