package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"fovea/data"
	"fovea/nn"
	"fovea/train"
)

// evalFlags are the flags of fovea eval.
type evalFlags struct {
	data, part, backend string
	batch, threads      int
}

func newEval(c *console) *cobra.Command {
	var f evalFlags
	cmd := &cobra.Command{
		Use:   "eval MODEL",
		Short: "Measure a network on a data set",
		Long: `Measure a network on a data set. MODEL is a model.safetensors or the folder of a
run. Images are normalised as the network was trained, and a set without an
official test part is split as it was then, so that the test part is the one that
the network has not seen.`,
		Example: `  fovea eval runs/digits-lenet5-1
  fovea eval runs/digits-lenet5-1/model.safetensors --data mnist --part test`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.batch < 1 {
				return misusef("--batch is %d, expected 1 or more", f.batch)
			}
			if !slices.Contains(partNames, f.part) {
				return misusef("unknown part %q, expected one of %v", f.part, partNames)
			}
			return c.eval(cmd.Context(), args[0], f)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&f.data, "data", "", "the data set, as `SPEC`; empty takes the one that the network was trained on")
	cmd.Flags().StringVar(&f.part, "part", "test", "the part of it: test, validation, train")
	cmd.Flags().IntVar(&f.batch, "batch", 64, "images that are computed together")
	addBackend(cmd, &f.backend, &f.threads)
	c.addJSON(cmd)
	return cmd
}

var partNames = []string{"test", "validation", "train"}

func (c *console) eval(ctx context.Context, model string, f evalFlags) (err error) {
	b, err := c.openBackend(f.backend, f.threads)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	path, file, err := readModel(model)
	if err != nil {
		return err
	}
	from, err := originOf(path, file)
	if err != nil {
		return err
	}
	if f.data != "" {
		from.Specification = f.data
	} else if from.Specification == "" {
		return misusef("%s does not tell which data it was trained on; give --data", path)
	}
	set, bytes, err := c.openPart(ctx, f.part, from, path, file)
	if f.data != "" {
		err = misused(err)
	}
	if err != nil {
		return err
	}
	net, err := file.Network(b, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, net.Close()) }()
	c.printf("%-8s %s: %s\n", "network", path, plain(file.Model.Name))
	c.printf("%-8s %s: %s images, %s\n", "data", set.Name(), thousands(set.Len()), targetsOf(set))

	var progress bar
	defer progress.clear()
	start := time.Now()
	m, err := train.Evaluate(ctx, net, set, file.Loss, f.batch, func(done, total int) {
		c.meter.sample()
		progress.show(c, "evaluating", int64(done), int64(total))
	})
	if err != nil {
		return err
	}
	progress.clear()
	c.result(resultEvent{
		Part: f.part, ImagesPerSecond: train.Number(float64(m.Examples) / time.Since(start).Seconds()), DataBytes: bytes,
		Model: path, Backend: b.Info().Name, Seed: from.TrainingSeed,
	}, m)
	return nil
}

// readModel reads the model file that an argument names.
func readModel(arg string) (path string, f *nn.File, err error) {
	if path, err = modelPath(arg); err != nil {
		return "", nil, err
	}
	if f, err = nn.ReadFile(path); err != nil {
		return "", nil, err
	}
	return path, f, imageShape(f.Model.Input)
}

// openPart loads the part of the data that a model is measured on, normalised for
// it, and tells how many bytes the data set takes.
func (c *console) openPart(ctx context.Context, part string, from origin, path string, f *nn.File) (*data.Set, int64, error) {
	splits, err := openData(ctx, from, f.Model.Input)
	if err != nil {
		return nil, 0, err
	}
	if splits, err = splits.Normalized(data.Normalization{Mean: f.Mean, Std: f.Std}); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	set := map[string]*data.Set{"test": splits.Test, "validation": splits.Validation, "train": splits.Train}[part]
	classes := set.Classes()
	switch {
	case set.Regression() != (f.Model.Output == nn.Values):
		return nil, 0, fmt.Errorf("%s tells %s, the set %s has %s", path, outputsOf(f), set.Name(), targetsOf(set))
	case len(f.Classes) > 0 && len(f.Classes) != len(classes):
		return nil, 0, fmt.Errorf("%s tells %s, the set %s has %d", path, outputsOf(f), set.Name(), len(classes))
	case len(f.Classes) > 0 && !slices.Equal(f.Classes, classes):
		c.notice(fmt.Sprintf("the network's classes are called %q, those of %s %q; they are taken in this order", f.Classes, set.Name(), classes))
	}
	return set, splits.Bytes(), nil
}

// outputsOf tells what a model's outputs are.
func outputsOf(f *nn.File) string {
	if f.Model.Output == nn.Values {
		return "values"
	}
	return fmt.Sprintf("%d classes", len(f.Classes))
}
