package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fovea/backend"
	"fovea/data"
	"fovea/nn"
)

// ErrDiverged is a run whose loss or parameters are no longer finite. The files in its
// folder stay as they were before.
var ErrDiverged = errors.New("the loss or a parameter is no longer a finite number")

// Config says how to train. What is left zero has a default.
type Config struct {
	Loss      nn.Loss      `json:"loss"`
	Optimizer nn.Optimizer `json:"optimizer"` // zero means Adam with rate 0.001
	Schedule  Schedule     `json:"schedule"`
	Batch     int          `json:"batch"`  // zero means 64
	Epochs    int          `json:"epochs"` // zero means 10
	Seed      uint64       `json:"seed"`   // of the order of the examples, and of dropout
	// Patience ends training after so many epochs without a lower validation loss; 0
	// never does.
	Patience int `json:"patience,omitempty"`

	// Resident keeps the training set in the backend's memory, where batches are
	// gathered by row numbers: that spares copying the images of each batch to a
	// device of its own. Bytes are normalised there, and where the backend rounds that
	// otherwise than data.Set.CopyImage does, the bits of the run differ. A set that
	// does not fit is not kept, which OnNotice hears.
	Resident bool `json:"-"`

	// Dir is the run's folder, made where there is none; a run that is already there is
	// replaced, but for one that is at work, which is ErrLocked. Empty keeps nothing on
	// disk, and then the network ends with the parameters of the last epoch.
	Dir string `json:"-"`
	// Lock is Dir, held by the caller, who lets go of it after Fit; nil has Fit hold it
	// for as long as it runs.
	Lock *Lock `json:"-"`
	// Resume goes on from the state in Dir. The model, the set and all settings must be
	// those of the run, but for Epochs and Patience.
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
	ImagesPerSecond    float64       `json:"images_per_second"` // of training, since this process began
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
	// Saved tells of a run that was cancelled that Dir holds its state.
	Saved bool
	// ImagesPerSecond is the mean rate of training by this process, without validation.
	ImagesPerSecond float64
}

// reportEvery is how many steps lie between two looks at the loss.
const reportEvery = 16

// Fit trains a network on a set and watches it on another. With a run folder it keeps
// the model with the lowest validation loss in model.safetensors, the resumable state
// in state.safetensors and the history in history.csv and history.jsonl, and the
// network ends with the best model's parameters. When ctx is cancelled it stops
// between two steps, saves the state, and returns the context's error beside the
// history so far. The folder is held until Fit returns, so that no second run, of this
// process or another, writes there: that one fails with ErrLocked. Resuming ends in the same bits as if nothing had happened; on the
// backend "reference", whose numbers are longer than those in files, nearly.
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
	own       *Lock // of Dir, where the caller has none

	state  state
	result Result

	began   time.Time
	done    int           // examples trained on by this process
	trained time.Duration // time spent on them
	tail    time.Duration // time of the last validation
}

func newFit(net *nn.Network, training, validation *data.Set, c Config) (*fit, error) {
	if c.Batch == 0 {
		c.Batch = 64
	}
	if c.Epochs == 0 {
		c.Epochs = 10
	}
	if c.Optimizer == (nn.Optimizer{}) {
		c.Optimizer = nn.Adam(1e-3)
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	f := &fit{Config: c, net: net, training: training, validation: validation}
	err := f.prepare()
	if err == nil {
		err = f.begin()
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (c *Config) validate() error {
	switch {
	case c.Batch < 1 || c.Epochs < 1 || c.Patience < 0:
		return fmt.Errorf("train: batch %d, epochs %d, patience %d: expected at least 1, 1 and 0", c.Batch, c.Epochs, c.Patience)
	case c.Optimizer.LearningRate == 0:
		return errors.New("train: the learning rate is 0, expected more")
	case c.Resume && c.Dir == "":
		return errors.New("train: nothing to resume: no folder is given")
	}
	if c.Lock != nil {
		if err := c.Lock.check(c.Dir); err != nil {
			return err
		}
	}
	return c.Schedule.validate()
}

// prepare makes everything that a run works with, so that what cannot work fails
// before the first step.
func (f *fit) prepare() error {
	var err error
	if f.targets, err = newTargets(f.net, f.Loss, f.training); err != nil {
		return err
	}
	if f.validation == nil {
		return errors.New("train: there is no validation set")
	}
	if !slices.Equal(f.training.Classes(), f.validation.Classes()) {
		return fmt.Errorf("train: the set %q has the classes %q, the validation set %q has %q",
			f.training.Name(), f.training.Classes(), f.validation.Name(), f.validation.Classes())
	}
	err = f.compile()
	if f.Resident && errors.Is(err, backend.ErrMemory) {
		if f.OnNotice != nil {
			f.OnNotice(fmt.Sprintf("the training set does not stay on %s, its batches are copied there one by one: %v", f.net.Backend.Info().Name, err))
		}
		f.Resident = false
		err = errors.Join(f.discard(), f.compile())
	}
	if err != nil {
		return err
	}
	f.loader, err = data.NewLoader(f.training, data.LoaderConfig{Batch: f.Batch, Seed: f.Seed, RowsOnly: f.Resident})
	return err
}

// compile makes the trainer with the steps for both sizes of batches, and the
// evaluator.
func (f *fit) compile() (err error) {
	c := TrainerConfig{Loss: f.Loss, Optimizer: f.Optimizer, Rows: f.targets.rows, Accuracy: f.targets.accuracy, Seed: f.Seed}
	if f.Resident {
		c.Resident = f.training
	}
	if f.trainer, err = NewTrainer(f.net, c); err != nil {
		return err
	}
	n := f.training.Len()
	if err := f.trainer.Prepare(min(f.Batch, n)); err != nil {
		return err
	}
	if rest := n % f.Batch; rest > 0 && n > f.Batch {
		if err := f.trainer.Prepare(rest); err != nil {
			return fmt.Errorf("train: the last batch of an epoch has %d of %d examples, another batch size than %d may help: %w", rest, n, f.Batch, err)
		}
	}
	f.evaluator, err = NewEvaluator(f.net, f.Loss, f.validation, min(f.Batch, f.validation.Len()))
	return err
}

// discard frees what compile has made.
func (f *fit) discard() error {
	var errs []error
	if f.evaluator != nil {
		errs = append(errs, f.evaluator.Close())
	}
	if f.trainer != nil {
		errs = append(errs, f.trainer.Close())
	}
	f.evaluator, f.trainer = nil, nil
	return errors.Join(errs...)
}

// begin takes up the run in the folder, or makes it hold a new one.
func (f *fit) begin() error {
	if f.Dir == "" {
		return nil
	}
	if !f.Resume {
		if err := os.MkdirAll(f.Dir, 0o777); err != nil {
			return fmt.Errorf("train: %w", err)
		}
	}
	if f.Lock == nil {
		var err error
		if f.own, err = LockFolder(f.Dir); err != nil {
			return err
		}
	}
	if f.Resume {
		return f.restore()
	}
	return f.save()
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
	f.conclude()
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

func (f *fit) conclude() {
	f.result.History = f.state.History
	f.result.BestEpoch = f.state.BestEpoch
	f.result.ImagesPerSecond = f.rate()
}

// interrupted saves the state of a run that was cancelled between two steps, unless
// it keeps nothing on disk.
func (f *fit) interrupted(err error) error {
	f.conclude()
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if e := f.save(); e != nil {
		return fmt.Errorf("%w, and the state could not be saved: %w", err, e)
	}
	f.result.Saved = f.Dir != ""
	return err
}

// epoch trains on what is left of the current epoch.
func (f *fit) epoch(ctx context.Context) error {
	total := f.training.Len()
	if err := f.loader.Start(f.state.Epoch, f.state.Position); err != nil {
		return err
	}
	start, before := time.Now(), f.trained
	defer func() { f.trained = before + time.Since(start) }()
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
		at := float64(f.state.Epoch) + float64(f.state.Position)/float64(total)
		f.state.Rate = f.Optimizer.LearningRate * f.Schedule.FactorAt(at, f.Epochs)
		if err := f.trainer.SetLearningRate(f.state.Rate); err != nil {
			return err
		}
		if err := f.step(ctx, b); err != nil {
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

func (f *fit) step(ctx context.Context, b *data.Batch) error {
	if f.Resident {
		return f.trainer.StepRows(ctx, b.Rows)
	}
	return f.trainer.Step(ctx, b.Images, f.targets.of(b), b.Weights)
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
	if !f.targets.accuracy {
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
		// The state comes last: whatever it says has been done is on the disk.
		if err := writeHistory(f.Dir, f.state.History); err != nil {
			return err
		}
		if err := f.save(); err != nil {
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
	if f.loader != nil {
		f.loader.Close()
	}
	err := f.discard()
	if f.own != nil {
		err = errors.Join(err, f.own.Unlock())
	}
	return err
}
