package bench

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/nn"
	"fovea/train"
)

// trainVariable names the network that this program shall train, instead of running benchmarks.
const trainVariable = "FOVEA_BENCH_TRAIN"

// processSteps is how many steps a process of BenchmarkProcess trains.
const processSteps = 10

func TestMain(m *testing.M) {
	name := os.Getenv(trainVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	flag.Parse()
	if err := trainOnce(name); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// BenchmarkProcess measures a process that trains a network with batches of 64, from
// nothing: the time from its start to the end of its first step (first-ms), and the
// peak of its resident memory less its images (peak-MiB).
func BenchmarkProcess(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("the peak of a process's memory is read in /proc")
	}
	self, err := os.Executable()
	require.NoError(b, err)
	for _, model := range models {
		b.Run(fmt.Sprintf("%s/64", model.Name), func(b *testing.B) {
			var first, peak []float64
			for b.Loop() {
				c := exec.Command(self, "-backend", *backendName, "-threads", strconv.Itoa(*threads))
				c.Env = append(os.Environ(), trainVariable+"="+model.Name)
				c.Stderr = os.Stderr
				out, err := c.StdoutPipe()
				require.NoError(b, err)
				start := time.Now()
				require.NoError(b, c.Start())
				lines := bufio.NewScanner(out)
				require.True(b, lines.Scan())
				first = append(first, float64(time.Since(start).Microseconds())/1e3)
				require.True(b, lines.Scan())
				kib, err := strconv.Atoi(lines.Text())
				require.NoError(b, err)
				peak = append(peak, float64(kib-64*model.Input.Elements()*4/1024)/1024)
				require.NoError(b, c.Wait())
			}
			b.ReportMetric(median(first), "first-ms")
			b.ReportMetric(median(peak), "peak-MiB")
		})
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// trainOnce trains a network a little. It prints a line when the first step is done,
// and at the end the peak of the process's resident memory in KiB.
func trainOnce(name string) error {
	i := slices.IndexFunc(models, func(m *nn.Model) bool { return m.Name == name })
	if i < 0 {
		return fmt.Errorf("bench: %s=%q is no network", trainVariable, name)
	}
	device, err := backend.Open(*backendName, backend.Options{Threads: *threads})
	if err != nil {
		return err
	}
	net, err := nn.NewNetwork(device, models[i], 1, nil)
	if err != nil {
		return err
	}
	trainer, err := train.NewTrainer(net, train.TrainerConfig{Loss: nn.SoftmaxCrossEntropy, Optimizer: adam})
	if err != nil {
		return err
	}
	images, labels, weights := examples(models[i], 64)
	for step := range processSteps {
		if err := trainer.Step(context.Background(), images, labels, weights); err != nil {
			return err
		}
		if _, err := trainer.Loss(); err != nil {
			return err
		}
		if step == 0 {
			fmt.Println("first")
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	fields := bytes.Fields(after)
	if len(fields) == 0 {
		return fmt.Errorf("bench: /proc/self/status has no VmHWM")
	}
	fmt.Println(string(fields[0]))
	return nil
}
