package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"

	"fovea/data"
	"fovea/nn"
)

// ErrDiverged is a loss that is no longer finite. The last good model stays.
var ErrDiverged = errors.New("the loss is no longer a finite number")

// Config says how to train. What is left zero has a default.
type Config struct {
	Loss      nn.Loss      `json:"loss"`
	Optimizer nn.Optimizer `json:"optimizer"`
	Schedule  Schedule     `json:"schedule"`
	Batch     int          `json:"batch"`
	Epochs    int          `json:"epochs"`
	Seed      uint64       `json:"seed"`
	// Patience ends training after so many epochs without a lower validation loss; 0
	// never does.
	Patience int `json:"patience,omitempty"`

	// Dir is the run's folder; empty keeps nothing on disk, and then the network ends
	// with the parameters of the last epoch.
	Dir string `json:"-"`
	// Resume goes on from the state in Dir.
	Resume bool `json:"-"`
	// Classes, Mean and Std go into the model files, see nn.File; Extra too.
	Classes   []string          `json:"-"`
	Mean, Std []float32         `json:"-"`
	Extra     map[string]string `json:"-"`

	// OnBatch is called now and then during an epoch, OnEpoch after each, OnNotice when
	// there is something a person should know.
	OnBatch  func(Progress)    `json:"-"`
	OnEpoch  func(EpochRecord) `json:"-"`
	OnNotice func(string)      `json:"-"`
}

// Progress is where a run stands.
type Progress struct {
	Epoch, Epochs int // Epoch counts from 1
	Done, Total   int // examples of this epoch
	// Loss is the mean over the epoch so far.
	Loss            float64
	ImagesPerSecond float64 // since this process began to train
	Remaining       time.Duration
}

// EpochRecord is the history of one epoch. Accuracies are NaN for a regression.
type EpochRecord struct {
	Epoch              int           `json:"epoch"` // counted from 1
	TrainLoss          Number        `json:"train_loss"`
	TrainAccuracy      Number        `json:"train_accuracy"`
	ValidationLoss     Number        `json:"validation_loss"`
	ValidationAccuracy Number        `json:"validation_accuracy"`
	LearningRate       float64       `json:"learning_rate"`     // of the last step
	ImagesPerSecond    float64       `json:"images_per_second"` // of the training part
	Seconds            float64       `json:"seconds"`           // training and validation
	Best               bool          `json:"best"`              // the validation loss is the lowest so far
	Remaining          time.Duration `json:"-"`
}

// Result is what a run came to.
type Result struct {
	History []EpochRecord
	// BestEpoch is the epoch with the lowest validation loss, from 1.
	BestEpoch int
	// StoppedEarly tells that patience ran out.
	StoppedEarly bool
	// ImagesPerSecond is the mean rate of training, without validation.
	ImagesPerSecond float64
}

// reportEvery is how many steps lie between two looks at the loss.
const reportEvery = 16

// Fit trains a network on a set and watches it on another. With a run folder it keeps
// the model with the lowest validation loss in model.safetensors, the resumable state
// in state.safetensors and the history in history.csv and history.jsonl, and the
// network ends with the best model's parameters. When ctx is cancelled it stops
// between two steps, saves the state, and returns the context's error.
func Fit(ctx context.Context, net *nn.Network, training, validation *data.Set, c Config) (*Result, error) {
	f, err := newFit(net, training, validation, c)
	if err != nil {
		return nil, err
	}
	err = f.run(ctx)
	if e := f.close(); err == nil {
		err = e
	}
	return &f.result, err
}

// fit is one run at work.
type fit struct {
	Config
	net        *nn.Network
	training   *data.Set
	validation *data.Set

	trainer   *Trainer
	evaluator *Evaluator
	loader    *data.Loader
	targets   *targets

	state  state
	result Result

	began   time.Time
	done    int           // examples trained on by this process
	trained time.Duration // time spent on them
	tail    time.Duration // time of the last validation
}

func newFit(net *nn.Network, training, validation *data.Set, c Config) (f *fit, err error) {
	if c.Batch == 0 {
		c.Batch = 64
	}
	if c.Epochs == 0 {
		c.Epochs = 10
	}
	if c.Batch < 1 || c.Epochs < 1 || c.Patience < 0 {
		return nil, fmt.Errorf("train: batch %d, epochs %d, patience %d: expected at least 1, 1 and 0", c.Batch, c.Epochs, c.Patience)
	}
	if training == nil || training.Len() == 0 || validation == nil || validation.Len() == 0 {
		return nil, fmt.Errorf("train: the training and the validation set need at least one example each")
	}
	if err := c.Schedule.validate(); err != nil {
		return nil, err
	}
	f = &fit{Config: c, net: net, training: training, validation: validation}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if f.targets, err = newTargets(net.Model, c.Loss, training); err != nil {
		return nil, err
	}
	f.trainer, err = NewTrainer(net, TrainerConfig{Loss: c.Loss, Optimizer: c.Optimizer, Rows: f.targets.rows, Seed: c.Seed})
	if err != nil {
		return nil, err
	}
	// Evaluation batches as large as training's reuse what the machine's caches are fit for.
	if f.evaluator, err = NewEvaluator(net, c.Loss, validation, min(c.Batch, validation.Len())); err != nil {
		return nil, err
	}
	if f.loader, err = data.NewLoader(training, data.LoaderConfig{Batch: c.Batch, Seed: c.Seed}); err != nil {
		return nil, err
	}
	if c.Resume {
		err = f.restore()
	}
	return f, err
}

func (f *fit) run(ctx context.Context) error {
	f.began = time.Now()
	for f.state.Epoch < f.Epochs && !f.exhausted() {
		start := time.Now()
		if err := f.epoch(ctx); err != nil {
			return f.interrupted(err)
		}
		if err := f.endEpoch(ctx, start); err != nil {
			return f.interrupted(err)
		}
	}
	f.result.StoppedEarly = f.state.Epoch < f.Epochs
	f.result.History = f.state.History
	f.result.BestEpoch = f.state.BestEpoch
	f.result.ImagesPerSecond = f.rate()
	if f.Dir == "" {
		return nil
	}
	best, err := nn.ReadFile(f.modelPath())
	if err != nil {
		return err
	}
	return f.net.SetArrays(best.Arrays)
}

func (f *fit) exhausted() bool { return f.Patience > 0 && f.state.Waited >= f.Patience }

// interrupted saves the state of a run that was cancelled between two steps, unless
// it keeps nothing on disk.
func (f *fit) interrupted(err error) error {
	f.result.History = f.state.History
	f.result.BestEpoch = f.state.BestEpoch
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return errors.Join(err, f.save())
}

// epoch trains on what is left of the current epoch.
func (f *fit) epoch(ctx context.Context) error {
	total := f.training.Len()
	if err := f.loader.Start(f.state.Epoch, f.state.Position); err != nil {
		return err
	}
	start, before := time.Now(), f.trained
	for f.state.Position < total {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := f.loader.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				panic("BUG: the loader ended before the epoch")
			}
			return err
		}
		target, err := f.targets.of(b)
		if err != nil {
			return err
		}
		at := float64(f.state.Epoch) + float64(f.state.Position)/float64(total)
		f.state.Rate = f.Optimizer.LearningRate * f.Schedule.FactorAt(at, f.Epochs)
		if err := f.trainer.SetLearningRate(f.state.Rate); err != nil {
			return err
		}
		if err := f.trainer.Step(ctx, b.Images, target, b.Weights); err != nil {
			return err
		}
		f.state.Position += b.Examples
		f.done += b.Examples
		if f.state.Position/f.Batch%reportEvery == 0 || f.state.Position == total {
			if err := f.takeMetrics(); err != nil {
				return err
			}
			f.trained = before + time.Since(start)
			f.report()
		}
	}
	return nil
}

// takeMetrics moves the sums of the last steps from the device to the state.
func (f *fit) takeMetrics() error {
	loss, right, err := f.trainer.TakeMetrics()
	if err != nil {
		return err
	}
	f.state.LossSum += loss
	f.state.Right += right
	if math.IsNaN(f.state.LossSum) || math.IsInf(f.state.LossSum, 0) {
		return fmt.Errorf("train: epoch %d, around example %d of %d: %w (a smaller learning rate than %g or another initialisation may help)",
			f.state.Epoch+1, f.state.Position, f.training.Len(), ErrDiverged, f.state.Rate)
	}
	return nil
}

func (f *fit) report() {
	if f.OnBatch == nil {
		return
	}
	f.OnBatch(Progress{
		Epoch: f.state.Epoch + 1, Epochs: f.Epochs,
		Done: f.state.Position, Total: f.training.Len(),
		Loss:            f.state.LossSum / float64(f.state.Position),
		ImagesPerSecond: f.rate(),
		Remaining:       f.remaining(),
	})
}

// rate is the number of examples a second that this process has trained on; 0 before
// the first.
func (f *fit) rate() float64 {
	if f.trained == 0 {
		return 0
	}
	return float64(f.done) / f.trained.Seconds()
}

// remaining estimates the time to the end from the rate so far.
func (f *fit) remaining() time.Duration {
	total := f.training.Len()
	left := (f.Epochs-f.state.Epoch)*total - f.state.Position
	perExample := f.trained.Seconds() / float64(max(f.done, 1))
	return time.Duration((perExample*float64(left) + f.tail.Seconds()*float64(f.Epochs-f.state.Epoch)) * float64(time.Second))
}

// endEpoch looks at the validation data, keeps the best model and saves the state.
func (f *fit) endEpoch(ctx context.Context, start time.Time) error {
	began := time.Now()
	m, err := f.evaluator.Evaluate(ctx, f.validation, nil)
	if err != nil {
		return err
	}
	if math.IsNaN(m.Loss) || math.IsInf(m.Loss, 0) {
		return fmt.Errorf("train: epoch %d: validation: %w: %g", f.state.Epoch+1, ErrDiverged, m.Loss)
	}
	f.tail = time.Since(began)
	n := float64(f.training.Len())
	r := EpochRecord{
		Epoch:     f.state.Epoch + 1,
		TrainLoss: Number(f.state.LossSum / n), TrainAccuracy: Number(f.state.Right / n),
		ValidationLoss: Number(m.Loss), ValidationAccuracy: Number(m.Accuracy),
		LearningRate:    f.state.Rate,
		ImagesPerSecond: f.rate(),
		Seconds:         time.Since(start).Seconds(),
		Best:            f.state.BestEpoch == 0 || m.Loss < f.state.BestLoss,
	}
	if !classifies(f.net.Model) {
		r.TrainAccuracy = Number(math.NaN())
	}
	if r.Best {
		f.state.BestLoss, f.state.BestEpoch, f.state.Waited = m.Loss, r.Epoch, 0
	} else {
		f.state.Waited++
	}
	f.state.Epoch++
	f.state.Position, f.state.LossSum, f.state.Right = 0, 0, 0
	r.Remaining = f.remaining()
	f.state.History = append(f.state.History, r)
	if f.Dir != "" {
		if r.Best {
			if err := f.saveModel(); err != nil {
				return err
			}
		}
		if err := errors.Join(f.save(), writeHistory(f.Dir, f.state.History)); err != nil {
			return err
		}
	}
	if f.OnEpoch != nil {
		f.OnEpoch(r)
	}
	return nil
}

func (f *fit) modelPath() string { return filepath.Join(f.Dir, ModelFile) }

func (f *fit) close() error {
	var errs []error
	if f.loader != nil {
		f.loader.Close()
	}
	if f.evaluator != nil {
		errs = append(errs, f.evaluator.Close())
	}
	if f.trainer != nil {
		errs = append(errs, f.trainer.Close())
	}
	return errors.Join(errs...)
}
