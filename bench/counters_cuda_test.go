//go:build cuda

package bench

import (
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/backend"
	_ "fovea/cuda"
	"fovea/cuda/driver"
	"fovea/nn"
	"fovea/train"
)

var updateCounters = flag.Bool("update-counters", false, "write counters.tsv anew")

// countersFile holds what every kernel of a training step does, as the simulated
// driver counts it. It is a record of the PTX, not of a machine: the same everywhere.
const countersFile = "counters.tsv"

// counted are the columns that are held: a rise of more than 2 % is a fault.
var counted = []string{"warp_instructions", "load_sectors", "store_sectors", "shared_wavefronts", "barriers"}

// product matches the kernels on the core of matrix products.
var product = regexp.MustCompile("^(matMul|conv)")

// TestCounters compares the work of the kernels of LeNet-5's and the VGG's training
// step with the committed table.
func TestCounters(t *testing.T) {
	if err := driver.Status(); err != nil || !driver.Simulated() {
		if os.Getenv("FOVEA_REQUIRE_CUDA") == "1" && err != nil {
			t.Fatal(err)
		}
		t.Skip("needs the simulated driver, see cuda/sim/driver/README.md")
	}
	var now [][]string
	for _, m := range []struct {
		model *nn.Model
		batch int
	}{{nn.LeNet5(10), 64}, {nn.VGG(10), 8}} {
		now = append(now, countStep(t, m.model, m.batch)...)
	}
	if *updateCounters {
		writeCounters(t, now)
		return
	}
	was := readCounters(t)
	for _, row := range now {
		// Products that read four elements at a time waste nothing; the others, with
		// odd numbers of channels, stand in the table with their figures.
		if product.MatchString(row[1]) && !strings.HasSuffix(row[1], "Scalar") {
			assert.GreaterOrEqual(t, number(t, row[9]), 0.9, "%s of %s: useful share of the loaded sectors", row[1], row[0])
			assert.LessOrEqual(t, number(t, row[11]), 1.1, "%s of %s: shared wavefronts over the ideal", row[1], row[0])
		}
		before, ok := was[row[0]+" "+row[1]]
		if !assert.True(t, ok, "%s of %s is not in %s; run the test with -update-counters", row[1], row[0], countersFile) {
			continue
		}
		for i, column := range counted {
			a, b := number(t, before[3+i]), number(t, row[3+i])
			assert.LessOrEqual(t, b, a*1.02, "%s of %s: %s was %s, is %s", row[1], row[0], column, before[3+i], row[3+i])
		}
	}
}

// countStep counts the second training step of a model: the first one compiles.
func countStep(t *testing.T, m *nn.Model, batch int) [][]string {
	b, err := backend.Open("cuda", backend.Options{})
	require.NoError(t, err)
	defer b.Close()
	net, err := nn.NewNetwork(b, m, 1, nil)
	require.NoError(t, err)
	defer net.Close()
	tr, err := train.NewTrainer(net, train.TrainerConfig{Optimizer: nn.Adam(1e-3), Seed: 1})
	require.NoError(t, err)
	defer tr.Close()
	r := rand.New(rand.NewPCG(1, 2))
	images := tensor.New(tensor.WithShape(append([]int{batch}, m.Input...)...), tensor.Of(tensor.Float32))
	for i := range images.Float32s() {
		images.Float32s()[i] = r.Float32()
	}
	labels := tensor.New(tensor.WithShape(batch), tensor.Of(tensor.Int32))
	weights := tensor.New(tensor.WithShape(batch), tensor.Of(tensor.Float32))
	for i := range batch {
		labels.Int32s()[i] = r.Int32N(10)
		weights.Float32s()[i] = 1
	}
	step := func() {
		require.NoError(t, tr.Step(context.Background(), images, labels, weights))
		_, err := tr.Loss()
		require.NoError(t, err)
	}
	step()
	driver.ResetCounts()
	step()
	counts, err := driver.KernelCounts()
	require.NoError(t, err)
	require.NotEmpty(t, counts)
	rows := make([][]string, len(counts))
	for i, k := range counts {
		share := func(useful, moved int64) string {
			if moved == 0 {
				return ""
			}
			return strconv.FormatFloat(float64(useful)/float64(moved), 'f', 3, 64)
		}
		rows[i] = []string{
			fmt.Sprintf("%s/%d", m.Name, batch), k.Name, strconv.FormatInt(k.Launches, 10),
			strconv.FormatInt(k.WarpInstructions, 10), strconv.FormatInt(k.GlobalLoadSectors, 10), strconv.FormatInt(k.GlobalStoreSectors, 10),
			strconv.FormatInt(k.SharedLoadWavefronts+k.SharedStoreWavefronts, 10), strconv.FormatInt(k.Barriers, 10),
			strconv.FormatInt(k.FLOPs, 10),
			share(k.GlobalLoadBytes, 32*k.GlobalLoadSectors), share(k.GlobalStoreBytes, 32*k.GlobalStoreSectors),
			share(k.SharedLoadWavefronts+k.SharedStoreWavefronts, k.SharedLoadIdeal+k.SharedStoreIdeal),
		}
	}
	return rows
}

func writeCounters(t *testing.T, rows [][]string) {
	f, err := os.Create(countersFile)
	require.NoError(t, err)
	defer f.Close()
	w := csv.NewWriter(f)
	w.Comma = '\t'
	head := append([]string{"step/batch", "kernel", "launches"}, counted...)
	head = append(head, "flops", "load_efficiency", "store_efficiency", "wavefronts_over_ideal")
	require.NoError(t, w.Write(head))
	require.NoError(t, w.WriteAll(rows))
}

func readCounters(t *testing.T) map[string][]string {
	f, err := os.Open(countersFile)
	require.NoError(t, err)
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma = '\t'
	rows, err := r.ReadAll()
	require.NoError(t, err)
	table := map[string][]string{}
	for _, row := range rows[1:] {
		table[row[0]+" "+row[1]] = row
	}
	return table
}

func number(t *testing.T, s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	require.NoError(t, err)
	return v
}
