package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/nn"
	"fovea/train"
)

// predictFlags are the flags of fovea predict.
type predictFlags struct {
	top, batch, threads int
	backend             string
}

// guess is what a network holds a picture for.
type guess struct {
	Class       string       `json:"class"`
	Index       int          `json:"index"`
	Probability train.Number `json:"probability"`
}

type predictionEvent struct {
	Event string `json:"event"`
	File  string `json:"file"`
	guess
	Top []guess `json:"top"`
}

type valuesEvent struct {
	Event  string         `json:"event"`
	File   string         `json:"file"`
	Values []train.Number `json:"values"`
}

// predictResultEvent is the last line of fovea predict.
type predictResultEvent struct {
	Event           string       `json:"event"`
	Files           int          `json:"files"`
	Failed          int          `json:"failed"`
	ImagesPerSecond train.Number `json:"images_per_second"`
	Seconds         float64      `json:"seconds"`
	PeakMemoryBytes int64        `json:"peak_memory_bytes"`
	Model           string       `json:"model"`
	Backend         string       `json:"backend"`
}

func newPredict(c *console) *cobra.Command {
	var f predictFlags
	cmd := &cobra.Command{
		Use:   "predict MODEL FILE...",
		Short: "Tell what is on pictures",
		Long: `Tell what is on pictures: PNG, JPEG, GIF, BMP, TIFF or WebP, of any size, which
are brought to the network's. MODEL is a model.safetensors or the folder of a run.
A picture that cannot be read is reported, and the others are still looked at.`,
		Example: `  fovea predict runs/digits-lenet5-1 seven.png
  fovea predict runs/digits-lenet5-1 --top 1 --json pictures/*.png`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.top < 1 || f.batch < 1 {
				return misusef("--top is %d and --batch %d, expected 1 or more", f.top, f.batch)
			}
			return c.predict(cmd.Context(), args[0], args[1:], f)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().IntVar(&f.top, "top", 3, "print so many classes of each picture")
	cmd.Flags().IntVar(&f.batch, "batch", 32, "pictures that are computed together")
	addBackend(cmd, &f.backend, &f.threads)
	c.addJSON(cmd)
	return cmd
}

func (c *console) predict(ctx context.Context, model string, files []string, f predictFlags) (err error) {
	b, err := c.openBackend(f.backend, f.threads)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	path, file, err := readModel(model)
	if err != nil {
		return err
	}
	net, err := file.Network(b, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, net.Close()) }()
	predictor, err := net.NewPredictor(min(f.batch, len(files)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, predictor.Close()) }()

	start := time.Now()
	v := newViewer(c, file, predictor, f.top)
	for _, name := range files {
		if err := v.look(ctx, name); err != nil {
			return err
		}
	}
	if err := v.flush(ctx); err != nil {
		return err
	}
	c.event(predictResultEvent{
		Event: "result", Files: len(files), Failed: v.failed,
		ImagesPerSecond: train.Number(float64(len(files)-v.failed) / time.Since(start).Seconds()),
		Seconds:         c.meter.elapsed().Seconds(), PeakMemoryBytes: c.meter.peak(), Model: path, Backend: b.Info().Name,
	})
	if v.failed > 0 {
		return fmt.Errorf("%d of %s could not be read", v.failed, count(len(files), "picture"))
	}
	return nil
}

// viewer collects pictures to batches and prints what the network makes of them, in
// the order they came.
type viewer struct {
	c         *console
	file      *nn.File
	predictor *nn.Predictor
	top       int

	input, prediction *tensor.Dense // one batch
	waiting           []string      // the files of the pictures in input
	failed            int
}

func newViewer(c *console, f *nn.File, p *nn.Predictor, top int) *viewer {
	n, outputs := p.Batch()
	return &viewer{
		c: c, file: f, predictor: p, top: min(top, outputs),
		input:      tensor.New(tensor.WithShape(append([]int{n}, f.Model.Input...)...), tensor.Of(tensor.Float32)),
		prediction: tensor.New(tensor.WithShape(n, outputs), tensor.Of(tensor.Float32)),
	}
}

// look puts a picture into the batch, and computes the batch when it is full. A
// picture that cannot be read is reported after those before it.
func (v *viewer) look(ctx context.Context, name string) error {
	shape := v.file.Model.Input
	picture, err := data.DecodeImage(name, shape[0], shape[1], shape[2])
	if err == nil {
		err = data.Normalization{Mean: v.file.Mean, Std: v.file.Std}.Apply(picture.Float32s(), shape[2])
	}
	if err != nil {
		if err := v.flush(ctx); err != nil {
			return err
		}
		v.failed++
		fmt.Fprintf(v.c.stderr, "fovea: %v\n", err)
		v.c.event(errorEvent{Event: "error", Message: err.Error(), File: name})
		return nil
	}
	size := len(picture.Float32s())
	copy(v.input.Float32s()[len(v.waiting)*size:], picture.Float32s())
	v.waiting = append(v.waiting, name)
	if n, _ := v.predictor.Batch(); len(v.waiting) < n {
		return nil
	}
	return v.flush(ctx)
}

// flush computes and prints the batch as far as it is filled. What lies behind is left
// from before, and its results are ignored.
func (v *viewer) flush(ctx context.Context) error {
	if len(v.waiting) == 0 {
		return nil
	}
	if err := v.predictor.Run(ctx, v.input); err != nil {
		return err
	}
	if err := v.predictor.Prediction(v.prediction); err != nil {
		return err
	}
	_, outputs := v.predictor.Batch()
	for i, name := range v.waiting {
		v.print(name, v.prediction.Float32s()[i*outputs:][:outputs])
	}
	v.waiting = v.waiting[:0]
	return nil
}

func (v *viewer) print(name string, prediction []float32) {
	if v.file.Model.Output == nn.Values {
		values := make([]train.Number, len(prediction))
		for i, y := range prediction {
			values[i] = train.Number(y)
		}
		v.c.printf("%s  %v\n", name, prediction)
		v.c.event(valuesEvent{"prediction", name, values})
		return
	}
	top := v.best(prediction)
	v.c.printf("%s", name)
	for _, g := range top {
		v.c.printf("  %s %.2f %%", plain(g.Class), 100*float64(g.Probability))
	}
	v.c.printf("\n")
	v.c.event(predictionEvent{"prediction", name, top[0], top})
}

// best returns the most probable classes; the first of equals comes first.
func (v *viewer) best(prediction []float32) []guess {
	all := make([]guess, len(prediction))
	for i, p := range prediction {
		all[i] = guess{strconv.Itoa(i), i, train.Number(p)}
		if i < len(v.file.Classes) {
			all[i].Class = v.file.Classes[i]
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Probability > all[j].Probability })
	return all[:v.top]
}
