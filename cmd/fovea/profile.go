package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/nn"
	"fovea/train"
)

// maxRuns bounds what is kept until the medians are known.
const maxRuns = 10_000

// profileFlags are the flags of fovea profile.
type profileFlags struct {
	backend              string
	threads, batch, runs int
	training             bool
}

// profileEvent tells what is about to be measured, and what the device could do at most
// in a second, 0 where that is unknown.
type profileEvent struct {
	Event       string  `json:"event"`
	Model       string  `json:"model"`
	Parameters  int     `json:"parameters"`
	Batch       int     `json:"batch"`
	Training    bool    `json:"training"`
	Runs        int     `json:"runs"`
	Backend     string  `json:"backend"`
	Device      string  `json:"device"`
	Threads     int     `json:"threads"`
	PeakFLOPs   float64 `json:"peak_flops"`
	PeakTraffic float64 `json:"peak_bytes"`
}

// opEvent is a line of the profile, or all of it.
type opEvent struct {
	Event         string  `json:"event"`
	Layer         string  `json:"layer"`
	Op            string  `json:"op"`
	Algorithm     string  `json:"algorithm,omitempty"`
	Seconds       float64 `json:"seconds"`
	Share         float64 `json:"share"`
	NominalFLOP   int64   `json:"nominal_flop"`
	ExecutedFLOP  int64   `json:"executed_flop"`
	Bytes         int64   `json:"bytes"`
	NominalFLOPs  float64 `json:"nominal_flops"`
	ExecutedFLOPs float64 `json:"executed_flops"`
	BytesASecond  float64 `json:"bytes_a_second"`
	OfPeakFLOPs   float64 `json:"of_peak_flops,omitempty"`
	OfPeakTraffic float64 `json:"of_peak_bytes,omitempty"`
}

// profileResultEvent is the last line of fovea profile: seconds of a whole run, as it is
// when nobody measures Ops.
type profileResultEvent struct {
	Event           string  `json:"event"`
	Seconds         float64 `json:"seconds"`
	ImagesPerSecond float64 `json:"images_per_second"`
	PeakMemoryBytes int64   `json:"peak_memory_bytes"`
}

func newProfile(c *console) *cobra.Command {
	var f profileFlags
	cmd := &cobra.Command{
		Use:   "profile MODEL",
		Short: "Tell where the time goes, layer by layer",
		Long: `Tell where the time goes: for each Op of a network how long it takes, how fast it
computes, and which part that is of what the machine can do at most. MODEL is a
network's name (` + strings.Join(nn.ModelNames(), ", ") + `), a model.safetensors, or the folder
of a run.

GFLOP/s counts the operations of the formula, padded taps included; executed
those that the algorithm does, which Winograd's makes fewer. The first percentage is
that of executed operations in the peak of all threads, the second that of the least
traffic in the memory's bandwidth, more than 100 % where caches help. Both peaks are
measured, in a twentieth of a second (a GPU tells them).

The inputs are random numbers. Times are medians of several runs.`,
		Example: `  fovea profile lenet5 --training
  fovea profile vgg --batch 1 --threads 1
  fovea profile runs/digits-lenet5-1 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.batch < 1 {
				return misusef("--batch is %d, expected 1 or more", f.batch)
			}
			if f.runs < 1 || f.runs > maxRuns {
				return misusef("--runs is %d, expected 1 to %d", f.runs, maxRuns)
			}
			return c.profile(cmd.Context(), args[0], f)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().IntVar(&f.batch, "batch", 64, "images that are computed together")
	cmd.Flags().BoolVar(&f.training, "training", false, "a training step with AdamW: forward, loss, backward, update")
	cmd.Flags().IntVar(&f.runs, "runs", 20, fmt.Sprintf("how often it is measured, at most %d times", maxRuns))
	addBackend(cmd, &f.backend, &f.threads)
	c.addJSON(cmd)
	return cmd
}

func (c *console) profile(ctx context.Context, name string, f profileFlags) (err error) {
	b, err := c.openBackend(f.backend, f.threads)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	net, loss, err := networkToProfile(b, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, net.Close()) }()
	s, err := newSubject(net, loss, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	p, run, err := c.measure(ctx, s, f.runs)
	if err != nil {
		return err
	}
	c.showProfile(name, net, f, p, run)
	return nil
}

// networkToProfile makes a network of the zoo, or one from a file, and tells what it
// learns by.
func networkToProfile(b backend.Backend, name string) (*nn.Network, nn.Loss, error) {
	if slices.Contains(nn.ModelNames(), name) {
		const classes, seed = 10, 1
		model, err := nn.NewModel(name, classes)
		if err != nil {
			return nil, nn.Loss{}, err
		}
		net, err := nn.NewNetwork(b, model, seed, nil)
		return net, nn.SoftmaxCrossEntropy, err
	}
	path, err := modelPath(name)
	if err != nil {
		return nil, nn.Loss{}, fmt.Errorf("%w; the networks that have a name are %s", err, strings.Join(nn.ModelNames(), ", "))
	}
	file, err := nn.ReadFile(path)
	if err != nil {
		return nil, nn.Loss{}, err
	}
	net, err := file.Network(b, nil)
	return net, file.Loss, err
}

// subject is what can be run and measured again and again.
type subject struct {
	profile func(context.Context) (backend.Profile, error)
	run     func(context.Context) error // and waits
	close   func() error
}

// newSubject prepares predictions or training steps on random images. The backend
// comes first: it is the one that finds a batch too large.
func newSubject(net *nn.Network, loss nn.Loss, f profileFlags) (*subject, error) {
	if f.training {
		return newTrainingSubject(net, loss, f.batch)
	}
	p, err := net.NewPredictor(f.batch)
	if err != nil {
		return nil, err
	}
	_, outputs := p.Batch()
	images := randomImages(net.Model, f.batch)
	prediction := newDense(tensor.Float32, f.batch, outputs)
	return &subject{
		profile: func(ctx context.Context) (backend.Profile, error) { return p.Profile(ctx, images) },
		run: func(ctx context.Context) error {
			if err := p.Run(ctx, images); err != nil {
				return err
			}
			return p.Prediction(prediction)
		},
		close: p.Close,
	}, nil
}

func newTrainingSubject(net *nn.Network, loss nn.Loss, batch int) (*subject, error) {
	outputs, err := net.Model.Outputs()
	if err != nil {
		return nil, err
	}
	optimizer, err := newOptimizer("adamw", 0, -1)
	if err != nil {
		return nil, err
	}
	rows := !loss.Kind.TakesIndex()
	t, err := train.NewTrainer(net, train.TrainerConfig{Loss: loss, Optimizer: optimizer, Rows: rows})
	if err != nil {
		return nil, err
	}
	if err := t.Prepare(batch); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	// Example i is of class i, and so on from the first again.
	images, weights := randomImages(net.Model, batch), newDense(tensor.Float32, batch)
	targets := newDense(tensor.Int32, batch)
	if rows {
		targets = newDense(tensor.Float32, batch, outputs)
	}
	for i := range batch {
		weights.Float32s()[i] = 1
		if rows {
			targets.Float32s()[i*outputs+i%outputs] = 1
		} else {
			targets.Int32s()[i] = int32(i % outputs)
		}
	}
	return &subject{
		profile: func(ctx context.Context) (backend.Profile, error) { return t.Profile(ctx, images, targets, weights) },
		run: func(ctx context.Context) error {
			if err := t.Step(ctx, images, targets, weights); err != nil {
				return err
			}
			_, err := t.Loss()
			return err
		},
		close: t.Close,
	}, nil
}

func randomImages(m *nn.Model, batch int) *tensor.Dense {
	images := newDense(tensor.Float32, append([]int{batch}, m.Input...)...)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range images.Float32s() {
		images.Float32s()[i] = float32(r.NormFloat64())
	}
	return images
}

func newDense(t tensor.Dtype, shape ...int) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.Of(t))
}

// measure returns medians: of each Op, and of a run of which the Ops are not measured.
func (c *console) measure(ctx context.Context, s *subject, runs int) (backend.Profile, time.Duration, error) {
	var progress bar
	defer progress.clear()
	profiles, times := make([]backend.Profile, runs), make([]time.Duration, runs)
	for i := -1; i < runs; i++ { // the first warms up
		p, err := s.profile(ctx)
		if err != nil {
			return backend.Profile{}, 0, err
		}
		start := time.Now()
		if err := s.run(ctx); err != nil {
			return backend.Profile{}, 0, err
		}
		if i >= 0 {
			profiles[i], times[i] = p, time.Since(start)
		}
		c.meter.sample()
		progress.show(c, "measuring", int64(i+1), int64(runs))
	}
	slices.Sort(times)
	return backend.MedianProfile(profiles), times[(runs-1)/2], nil
}

func (c *console) showProfile(name string, net *nn.Network, f profileFlags, p backend.Profile, run time.Duration) {
	parameters := 0
	for _, s := range net.Specs {
		parameters += s.Shape.Elements()
	}
	info := net.Backend.Info()
	rate := float64(f.batch) / run.Seconds()
	what := "prediction of"
	if f.training {
		what = "training step on"
	}
	c.printf("%-8s %s: %s\n", "network", plain(name), count(parameters, "parameter"))
	c.printf("%-8s %s: %s%s\n", "backend", info.Name, whatComputes(info), peaks(p))
	c.printf("%-8s %s %s, median of %s\n\n", "measured", what, count(f.batch, "image"), count(f.runs, "run"))
	c.event(profileEvent{
		Event: "profile", Model: name, Parameters: parameters, Batch: f.batch, Training: f.training, Runs: f.runs,
		Backend: info.Name, Device: info.Device, Threads: info.Threads, PeakFLOPs: p.FLOPs, PeakTraffic: p.Bytes,
	})
	for _, o := range p.Ops {
		c.event(newOpEvent("op", p, o))
	}
	c.event(newOpEvent("total", p, p.Sum()))
	c.printf("%s", p)
	c.printf("\n%-8s %.4g ms a run, %s images/s\n", "whole", 1e3*run.Seconds(), thousands(int(rate)))
	c.event(profileResultEvent{Event: "result", Seconds: run.Seconds(), ImagesPerSecond: rate, PeakMemoryBytes: c.meter.peak()})
}

// peaks tells what the device can do, as far as that is known.
func peaks(p backend.Profile) string {
	s := ""
	if p.FLOPs > 0 {
		s += fmt.Sprintf(", %.0f GFLOP/s", p.FLOPs/1e9)
	}
	if p.Bytes > 0 {
		s += fmt.Sprintf(", %.1f GB/s", p.Bytes/1e9)
	}
	return s
}

func newOpEvent(event string, p backend.Profile, o backend.OpTime) opEvent {
	return opEvent{
		Event: event, Layer: o.Label, Op: o.Kind, Algorithm: o.Algorithm, Seconds: o.Time.Seconds(), Share: p.Share(o),
		NominalFLOP: o.Cost.FLOPs, ExecutedFLOP: o.Executed, Bytes: o.Cost.Bytes,
		NominalFLOPs: o.NominalRate(), ExecutedFLOPs: o.ExecutedRate(), BytesASecond: o.ByteRate(),
		OfPeakFLOPs: p.Arithmetic(o), OfPeakTraffic: p.Traffic(o),
	}
}
