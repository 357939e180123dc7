package main

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fovea/backend"
	"fovea/cuda"
	"fovea/data"
	"fovea/nn"
	"fovea/train"
)

// trainFlags are the flags of fovea train.
type trainFlags struct {
	data, model, optimizer, loss, schedule, backend, out string
	rate, weightDecay                                    float64
	batch, epochs, patience, threads                     int
	seed, splitSeed                                      uint64
	resume                                               bool
}

// whileResuming are the flags that a resumed run may be given; all others come from
// its settings.
var whileResuming = map[string]bool{"resume": true, "out": true, "epochs": true, "patience": true, "backend": true, "threads": true, "json": true}

func newTrain(c *console) *cobra.Command {
	var f trainFlags
	cmd := &cobra.Command{
		Use:   "train [--resume RUN]",
		Short: "Train a network",
		Long: `Train a network on the training part of a data set, watch it on the validation
part, and test the best model on the part that it has never seen.

The run's folder holds model.safetensors (the best model), state.safetensors (to
go on from), history.csv, history.jsonl and settings.json. Ctrl-C saves the run
and exits with 1, as do SIGTERM and closing the terminal (under nohup the run goes on
without it); with --resume it goes on to the same bits as if it had never stopped.
One process at a time trains in a folder; another fails.

Data sets:
  ` + strings.Join(data.Known(), "\n  "),
		Example: `  fovea train
  fovea train --data mnist --epochs 5
  fovea train --data folder:pets --model vgg --optimizer adamw --out runs/pets
  fovea train --resume runs/pets`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && !f.resume {
				return misusef("train takes no arguments but the folder of a run to --resume, found %q", args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, c, args)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&f.data, "data", "digits", "the data set, as `SPEC`: NAME or NAME:DIR")
	cmd.Flags().StringVar(&f.model, "model", "lenet5", "the network: "+strings.Join(nn.ModelNames(), ", "))
	cmd.Flags().StringVar(&f.optimizer, "optimizer", "adamw", "the optimizer: "+optimizerNames())
	cmd.Flags().Float64Var(&f.rate, "lr", 0, "the learning `rate`; 0 takes the optimizer's usual one")
	cmd.Flags().StringVar(&f.schedule, "schedule", "cosine", "how the learning rate changes: constant, cosine")
	cmd.Flags().Float64Var(&f.weightDecay, "weight-decay", -1, "weight decay, spared for biases; -1 takes the optimizer's usual one")
	cmd.Flags().StringVar(&f.loss, "loss", autoLoss, "the loss: "+lossNames())
	cmd.Flags().IntVar(&f.batch, "batch", 64, "images in a mini-batch")
	cmd.Flags().IntVar(&f.epochs, "epochs", 0, "passes over the training part; 0 takes 40 for small data sets and down to 12 for large ones")
	cmd.Flags().IntVar(&f.patience, "patience", 0, "end after so many epochs without a better validation loss; 0 never does")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "what initial weights, the order of examples and the parts of the data are drawn from")
	cmd.Flags().Uint64Var(&f.splitSeed, "split-seed", 0, "what the parts of the data are drawn from, if not --seed")
	addBackend(cmd, &f.backend, &f.threads)
	cmd.Flags().StringVar(&f.out, "out", "", "the run's `folder`; empty takes a new one, runs/DATA-MODEL-N")
	cmd.Flags().BoolVar(&f.resume, "resume", false, "go on with the run in the folder `RUN`, or --out")
	c.addJSON(cmd)
	return cmd
}

// addBackend adds the flags that choose a backend.
func addBackend(cmd *cobra.Command, name *string, threads *int) {
	cmd.Flags().StringVar(name, "backend", "auto", "what computes: auto, "+strings.Join(backend.Names(), ", "))
	cmd.Flags().IntVar(threads, "threads", 0, "goroutines that compute; 0 takes one for each processor")
}

// openBackend opens what computes, and tells what auto would have liked better.
func (c *console) openBackend(name string, threads int) (backend.Backend, error) {
	if threads < 0 {
		return nil, misusef("--threads is %d, expected 0 or more", threads)
	}
	b, err := backend.Open(name, backend.Options{Threads: threads, PassedOver: func(family string, cause error) {
		c.notice(passedOver(family, cause))
	}})
	if family, _, _ := strings.Cut(name, ":"); family == gpuFamily && !slices.Contains(backend.Names(), gpuFamily) {
		_, err = cuda.Devices() // tells how to get it
		return nil, misuse{err}
	}
	return b, misused(err)
}

// passedOver says why auto did not take a backend, with the first line or clause of
// its reason: the places where a driver was looked for, or the words of its compiler,
// are for fovea devices.
func passedOver(family string, cause error) string {
	reason, more, _ := strings.Cut(strings.ReplaceAll(cause.Error(), "\n", "; "), "; ")
	if more != "" {
		reason += " (fovea devices tells more)"
	}
	return fmt.Sprintf("auto passes over %s: %s", family, reason)
}

// run makes the settings of a run, or reads them, and trains.
func (f *trainFlags) run(cmd *cobra.Command, c *console, args []string) error {
	if !cmd.Flags().Changed("split-seed") {
		f.splitSeed = f.seed
	}
	s, err := f.settings()
	if err != nil {
		return err
	}
	if f.resume {
		if s, err = f.resumed(cmd, args, s); err != nil {
			return err
		}
	}
	return c.train(cmd.Context(), s, f.loss)
}

// settings checks the flags.
func (f *trainFlags) settings() (settings, error) {
	s := settings{
		Data:  origin{Specification: f.data, SplitSeed: f.splitSeed, TrainingSeed: f.seed},
		Model: f.model, Backend: f.backend, Threads: f.threads,
		Train: train.Config{Batch: f.batch, Epochs: f.epochs, Patience: f.patience, Seed: f.seed, Dir: f.out},
	}
	for _, n := range []struct {
		flag       string
		value, min int
	}{{"batch", f.batch, 1}, {"epochs", f.epochs, 0}, {"patience", f.patience, 0}, {"threads", f.threads, 0}} {
		if n.value < n.min {
			return s, misusef("--%s is %d, expected %d or more", n.flag, n.value, n.min)
		}
	}
	if !(f.rate >= 0) || math.IsInf(f.rate, 0) {
		return s, misusef("--lr is %g, expected a positive number, or 0 for the usual one", f.rate)
	}
	if !(f.weightDecay >= 0 || f.weightDecay == -1) || math.IsInf(f.weightDecay, 0) {
		return s, misusef("--weight-decay is %g, expected 0 or more, or -1 for the usual one", f.weightDecay)
	}
	switch f.schedule {
	case "constant", "cosine":
		s.Train.Schedule.Kind = f.schedule
	default:
		return s, misusef("unknown schedule %q, expected constant or cosine", f.schedule)
	}
	var err error
	if s.Train.Optimizer, err = newOptimizer(f.optimizer, f.rate, f.weightDecay); err != nil {
		return s, err
	}
	if err := checkLoss(f.loss); err != nil {
		return s, err
	}
	if _, err := nn.NewModel(f.model, 1); err != nil {
		return s, misuse{err}
	}
	return s, nil
}

// resumed locks the run to go on with and returns its settings, which the flags may
// only extend.
func (f *trainFlags) resumed(cmd *cobra.Command, args []string, flags settings) (settings, error) {
	dir := f.out
	if len(args) == 1 {
		if dir != "" && filepath.Clean(dir) != filepath.Clean(args[0]) {
			return flags, misusef("--resume %s and --out %s name two folders", args[0], dir)
		}
		dir = args[0]
	}
	if dir == "" {
		return flags, misusef("--resume needs the folder of a run")
	}
	var err error
	changed := func(name string) bool { return cmd.Flags().Changed(name) }
	cmd.Flags().VisitAll(func(p *pflag.Flag) {
		if p.Changed && !whileResuming[p.Name] && err == nil {
			err = misusef("--%s cannot change in a run that is resumed; it comes from %s", p.Name, filepath.Join(dir, settingsFile))
		}
	})
	if err != nil {
		return flags, err
	}
	lock, err := lockRun(dir)
	if err != nil {
		return flags, err
	}
	s, err := readSettings(dir)
	if err != nil {
		return s, errors.Join(err, lock.Unlock())
	}
	if changed("epochs") {
		s.Train.Epochs = flags.Train.Epochs
	}
	if changed("patience") {
		s.Train.Patience = flags.Train.Patience
	}
	if changed("backend") {
		s.Backend = flags.Backend
	}
	if changed("threads") {
		s.Threads = flags.Threads
	}
	s.Train.Dir, s.Train.Lock, s.Train.Resume = dir, lock, true
	return s, nil
}
