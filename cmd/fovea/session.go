package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"fovea/backend"
	"fovea/data"
	"fovea/nn"
	"fovea/train"
)

// startEvent tells what is about to be trained.
type startEvent struct {
	Event      string   `json:"event"`
	Run        string   `json:"run"`
	Resumed    bool     `json:"resumed"`
	Settings   settings `json:"settings"`
	Parameters int      `json:"parameters"`
	Training   int      `json:"training_examples"`
	Validation int      `json:"validation_examples"`
	Test       int      `json:"test_examples"`
	Classes    []string `json:"classes,omitempty"`
	Device     string   `json:"device"`
	Threads    int      `json:"threads"`
}

// epochEvent is a line of the history.
type epochEvent struct {
	Event string `json:"event"`
	train.EpochRecord
	Epochs           int     `json:"epochs"`
	RemainingSeconds float64 `json:"remaining_seconds"`
}

// train is a run from its settings to the test. The loss by name is for new runs; a
// resumed one has its own.
func (c *console) train(ctx context.Context, s settings, loss string) (err error) {
	// A reader that has seen enough, such as head, ends the run as Ctrl-C does.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGPIPE)
	defer stop()
	defer func() {
		if s.Train.Lock != nil {
			err = errors.Join(err, s.Train.Lock.Unlock())
		}
	}()
	b, err := c.openBackend(s.Backend, s.Threads)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	zoo, err := nn.NewModel(s.Model, 1) // tells the shape of its images
	if err != nil {
		return err
	}
	splits, err := openData(ctx, s.Data, zoo.Input)
	if err != nil && !s.Train.Resume { // then the specification is the command line's
		err = misused(err)
	}
	if err != nil {
		return err
	}
	// A step allocates nothing, so that early collections cost nothing; and then what
	// loading and checkpoints leave behind cannot double the heap.
	debug.SetGCPercent(20)
	debug.FreeOSMemory()
	model, err := newModel(s.Model, splits.Train)
	if err != nil {
		return err
	}
	net, err := nn.NewNetwork(b, model, s.Train.Seed, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, net.Close()) }()

	if !s.Train.Resume {
		s.Train.Loss = newLoss(loss, splits.Train)
	}
	s.complete(splits.Train, b.Info())
	resumed := s.Train.Resume
	if err := c.prepare(&s); err != nil {
		return err
	}
	c.begin(s, resumed, net, splits)
	result, err := c.fit(ctx, net, splits, s.Train)
	if err != nil {
		if !resumed {
			discard(s.Train.Dir)
		}
		return err
	}
	m, err := train.Evaluate(ctx, net, splits.Test, s.Train.Loss, s.Train.Batch, nil)
	if err != nil {
		return fmt.Errorf("test: %w (the run is complete; test it with: fovea eval %s)", err, s.Train.Dir)
	}
	path := filepath.Join(s.Train.Dir, train.ModelFile)
	c.printf("%-8s %s, of epoch %d\n", "model", path, result.BestEpoch)
	c.result(resultEvent{
		Part: "test", ImagesPerSecond: train.Number(result.ImagesPerSecond), DataBytes: splits.Bytes(),
		Model: path, Backend: b.Info().Name, Seed: s.Train.Seed,
	}, m)
	return nil
}

// complete makes the choices that depend on the data and the machine, so that a
// resumed run need not make them again.
func (s *settings) complete(training *data.Set, i backend.Info) {
	if s.Train.Epochs == 0 {
		// About as many examples are shown of every set, within reason.
		const shown = 600_000
		s.Train.Epochs = min(max(shown/training.Len(), 12), 40)
	}
	s.Backend = i.Name
	// The memory of a GPU is its own, and the way there is long.
	s.Train.Resident = isGPU(i)
	n := training.Normalization()
	s.Train.Classes, s.Train.Mean, s.Train.Std = training.Classes(), n.Mean, n.Std
	s.Train.Extra = s.Data.metadata()
}

// prepare makes and locks the run's folder, or looks at the one to go on with, and
// writes the settings there.
func (c *console) prepare(s *settings) (err error) {
	t := &s.Train
	if t.Resume && !exists(filepath.Join(t.Dir, train.StateFile)) {
		c.notice(fmt.Sprintf("run %s: nothing was saved yet, so it begins anew", t.Dir))
		t.Resume = false
	} else if !t.Resume {
		kind, _, _ := strings.Cut(s.Data.Specification, ":")
		if t.Dir, t.Lock, err = newRunFolder(t.Dir, kind+"-"+s.Model); err != nil {
			return err
		}
	}
	if err := s.write(t.Dir); err != nil {
		discard(t.Dir)
		return fmt.Errorf("run folder: %w", err)
	}
	return nil
}

// begin tells what is about to be trained.
func (c *console) begin(s settings, resumed bool, net *nn.Network, splits *data.Splits) {
	parameters := 0
	for _, p := range net.Specs {
		parameters += p.Shape.Elements()
	}
	info := net.Backend.Info()
	h, w, channels := splits.Train.Size()
	c.printf("%-8s %s: %s training, %s validation, %s test images of %d×%d×%d, %s\n", "data", s.Data.Specification,
		thousands(splits.Train.Len()), thousands(splits.Validation.Len()), thousands(splits.Test.Len()), h, w, channels, targetsOf(splits.Train))
	c.printf("%-8s %s: %s parameters\n", "network", s.Model, thousands(parameters))
	c.printf("%-8s %s: %s\n", "backend", info.Name, whatComputes(info))
	c.printf("%-8s %s\n", "run", s.Train.Dir)
	c.event(startEvent{
		Event: "start", Run: s.Train.Dir, Resumed: resumed, Settings: s, Parameters: parameters,
		Training: splits.Train.Len(), Validation: splits.Validation.Len(), Test: splits.Test.Len(),
		Classes: splits.Train.Classes(), Device: info.Device, Threads: info.Threads,
	})
}

// fit trains, telling how it goes.
func (c *console) fit(ctx context.Context, net *nn.Network, splits *data.Splits, t train.Config) (*train.Result, error) {
	var b bar
	defer b.clear()
	t.OnNotice = c.notice
	t.OnBatch = func(p train.Progress) {
		c.meter.sample()
		b.show(c, fmt.Sprintf("epoch %d/%d", p.Epoch, p.Epochs), int64(p.Done), int64(p.Total))
	}
	t.OnEpoch = func(r train.EpochRecord) {
		b.clear()
		c.epoch(r, t.Epochs)
	}
	result, err := train.Fit(ctx, net, splits.Train, splits.Validation, t)
	if errors.Is(err, context.Canceled) && result != nil && result.Saved {
		return nil, fmt.Errorf("%w in epoch %d of %d; the run is saved, go on with it by: fovea train --resume %s",
			context.Canceled, len(result.History)+1, t.Epochs, t.Dir)
	}
	if err == nil && result.StoppedEarly {
		c.printf("%-8s no better validation loss for %s\n", "stopped", count(t.Patience, "epoch"))
	}
	return result, err
}

// epoch prints a line of the history.
func (c *console) epoch(r train.EpochRecord, of int) {
	part := func(loss, accuracy train.Number) string {
		if accuracy != accuracy { // NaN: a regression has none
			return fmt.Sprintf("loss %.4f", float64(loss))
		}
		return fmt.Sprintf("loss %.4f  accuracy %6.2f %%", float64(loss), 100*float64(accuracy))
	}
	best := ""
	if r.Best {
		best = "  best"
	}
	c.printf("epoch %*d/%d  training %s  validation %s  %s images/s  %s left%s\n", len(fmt.Sprint(of)), r.Epoch, of,
		part(r.TrainLoss, r.TrainAccuracy), part(r.ValidationLoss, r.ValidationAccuracy),
		thousands(int(r.ImagesPerSecond)), clock(r.Remaining), best)
	c.event(epochEvent{"epoch", r, of, r.Remaining.Seconds()})
}

// targetsOf tells how many classes or targets a set has.
func targetsOf(s *data.Set) string {
	if s.Regression() {
		return count(len(s.TargetNames()), "target")
	}
	if n := len(s.Classes()); n != 1 {
		return fmt.Sprintf("%d classes", n)
	}
	return "1 class"
}

// count writes a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return thousands(n) + " " + thing
}
