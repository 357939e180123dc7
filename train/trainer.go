package train

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/data"
	"fovea/graph"
	"fovea/nn"
)

// TrainerConfig says what a step does.
type TrainerConfig struct {
	Loss      nn.Loss
	Optimizer nn.Optimizer
	// Rows tells that targets are rows of numbers; else they are class indices.
	Rows bool
	// Accuracy tells that the largest number of a row marks the example's class, so
	// that TakeMetrics can count the examples classified rightly. With class indices
	// it always does.
	Accuracy bool
	// Seed is what dropout draws from.
	Seed uint64
	// Resident is a set to keep in the backend's memory, images of bytes as bytes:
	// StepRows then learns from batches that are known by row numbers. Rows and
	// Accuracy follow from the set. Nil keeps none, and batches come with Step.
	Resident *data.Set
}

// metricsBuffer adds up over the steps: Σ of the examples' losses, and the number
// of examples classified rightly.
const (
	metricsBuffer = "metrics"
	lossBuffer    = "loss"
)

// Trainer makes training steps on a network. It is used by one goroutine at a time.
// Steps are compiled at the first use of each batch size.
type Trainer struct {
	net    *nn.Network
	config TrainerConfig
	own    map[string]backend.Tensor // gradients, slots, counters, metrics
	steps  map[int]*batchStep
	set    *resident // nil where batches come from the host

	updates int32 // updates made so far
	draws   int32 // draw index of the last step

	// Host copies of the small tensors, made once so that a step allocates nothing.
	rate, draw, update, metrics *tensor.Dense
	zeros                       *tensor.Dense
	writtenRate                 float32
}

// batchStep is the training step for one batch size.
type batchStep struct {
	input, target, weights backend.Tensor
	rows                   backend.Tensor // of a batch of a resident set
	executable             backend.Executable

	hostRows *tensor.Dense // what is written to rows
}

// NewTrainer prepares a network to learn.
func NewTrainer(net *nn.Network, c TrainerConfig) (*Trainer, error) {
	if net == nil {
		return nil, errors.New("train: there is no network")
	}
	if err := c.Optimizer.Validate(); err != nil {
		return nil, err
	}
	var like *targets
	if c.Resident != nil {
		var err error
		if like, err = newTargets(net, c.Loss, c.Resident); err != nil {
			return nil, err
		}
		c.Rows, c.Accuracy = like.rows, like.accuracy
	}
	c.Accuracy = c.Accuracy || !c.Rows
	t := &Trainer{
		net: net, config: c,
		own:    map[string]backend.Tensor{},
		steps:  map[int]*batchStep{},
		rate:   tensor.New(tensor.WithShape(1), tensor.Of(tensor.Float32)),
		draw:   tensor.New(tensor.WithShape(3), tensor.Of(tensor.Int32)),
		update: tensor.New(tensor.WithShape(1), tensor.Of(tensor.Int32)),
	}
	count := 1
	if c.Accuracy {
		count = 2
	}
	t.metrics = tensor.New(tensor.WithShape(count), tensor.Of(tensor.Float32))
	t.zeros = tensor.New(tensor.WithShape(count), tensor.Of(tensor.Float32))
	parameters := net.Layout.Parameters.Elements
	if parameters == 0 {
		return nil, fmt.Errorf("train: model %q has nothing to learn: every parameter is frozen, or there are none", net.Model.Name)
	}
	specs := []backend.TensorSpec{
		{Name: graph.GradientsBuffer, Shape: backend.Shape{parameters}},
		{Name: graph.LearningRateBuffer, Shape: backend.Shape{1}},
		{Name: graph.StepBuffer, DType: backend.Int32, Shape: backend.Shape{1}},
		{Name: graph.DrawName, DType: backend.Int32, Shape: backend.Shape{3}},
		{Name: metricsBuffer, Shape: backend.Shape{count}},
		{Name: lossBuffer, Shape: backend.Shape{1}},
	}
	for i, name := range []string{graph.Slot1Buffer, graph.Slot2Buffer} {
		if c.Optimizer.Rule.Slots() > i {
			specs = append(specs, backend.TensorSpec{Name: name, Shape: backend.Shape{parameters}})
		}
	}
	if n := net.Layout.Statistics.Elements; n > 0 {
		specs = append(specs, backend.TensorSpec{Name: graph.BatchStatisticsBuffer, Shape: backend.Shape{n}})
	}
	for _, s := range specs {
		x, err := net.Backend.NewTensor(s)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("train: %w", err), t.Close())
		}
		t.own[s.Name] = x
	}
	err := t.SetLearningRate(c.Optimizer.LearningRate)
	if err == nil && like != nil {
		t.set, err = newResident(net.Backend, like, c.Resident)
	}
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Prepare compiles the step for batches of n examples, which Step does at the first
// of them, and reports what keeps it from running: a model that cannot learn from
// such a batch, or too little memory.
func (t *Trainer) Prepare(n int) error {
	_, err := t.step(n)
	return err
}

// step returns the compiled step for a batch of n examples.
func (t *Trainer) step(n int) (*batchStep, error) {
	if err := t.alive(); err != nil {
		return nil, err
	}
	if s, ok := t.steps[n]; ok {
		return s, nil
	}
	programs, err := t.programs(n)
	if err != nil {
		return nil, err
	}
	program, err := programs.Fused(t.net.Model.Name + "/step")
	if err != nil {
		return nil, err
	}
	s := &batchStep{}
	bind := map[string]backend.Tensor{}
	maps.Copy(bind, t.own)
	if t.set != nil {
		if program, err = backend.Concat(program.Name, t.set.gather(n), program); err != nil {
			return nil, err
		}
		maps.Copy(bind, t.set.tensors)
	}
	for name, to := range map[string]*backend.Tensor{nn.InputName: &s.input, nn.TargetName: &s.target, nn.WeightsName: &s.weights, rowsBuffer: &s.rows} {
		spec, ok := inputSpec(program, name)
		if !ok {
			continue
		}
		if *to, err = t.net.Backend.NewTensor(spec); err != nil {
			return nil, errors.Join(fmt.Errorf("train: batch of %d: %w", n, err), s.close())
		}
		bind[name] = *to
	}
	s.executable, err = t.net.Backend.Compile(program, t.net.Bind(program, bind))
	if err == nil && t.set != nil {
		s.hostRows = tensor.New(tensor.WithShape(n), tensor.Of(tensor.Int32))
		err = s.weights.Write(dense(slices.Repeat([]float32{1}, n), n))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("train: batch of %d: %w", n, err), s.close())
	}
	t.steps[n] = s
	return s, nil
}

// inputSpec describes the tensor for a bound buffer of a Program.
func inputSpec(p *backend.Program, name string) (backend.TensorSpec, bool) {
	for _, b := range p.Buffers[1:] {
		if b.Kind == backend.Bound && b.Name == name {
			return backend.TensorSpec{Name: name, DType: b.DType, Shape: backend.Shape{b.Elements}, Limit: b.Limit}, true
		}
	}
	return backend.TensorSpec{}, false
}

// programs lowers the training step for a batch of n examples.
func (t *Trainer) programs(n int) (*graph.Step, error) {
	model := t.net.Model
	b, err := model.Build(n, true)
	if err != nil {
		return nil, err
	}
	_, loss, err := b.AddLoss(model, t.config.Loss, !t.config.Rows, float64(n))
	if err != nil {
		return nil, err
	}
	outputs := []graph.Placement{
		{Node: loss, Buffer: lossBuffer},
		{Node: b.Unary(backend.Scale, float64(n), loss), Buffer: metricsBuffer, Accumulate: true},
	}
	if t.config.Accuracy {
		outputs = append(outputs, graph.Placement{Node: correct(b), Buffer: metricsBuffer, Offset: 1, Accumulate: true})
	}
	biases := map[string]bool{}
	for _, p := range b.Parameters {
		biases[p.Name] = p.Bias
	}
	o := t.config.Optimizer
	return b.LowerTraining(model.Name, graph.Training{
		Loss: loss, Outputs: outputs, Layout: t.net.Layout, Optimizer: o.Step(),
		Parameter: func(name string) (float64, float64) {
			if o.SpareBiases && biases[name] {
				return 1, 0
			}
			return 1, o.WeightDecay
		},
	})
}

// correct counts the examples, by weight, whose largest logit is their class's.
func correct(b *nn.Built) *graph.Node {
	n := b.Logits.Shape()[0]
	best := b.Reshape(b.Reduce(backend.ReduceArgmax, b.Logits, 1), n)
	target := b.Leaf(nn.TargetName)
	if target.DType() != backend.Int32 {
		target = b.Reshape(b.Reduce(backend.ReduceArgmax, target, 1), n)
	}
	right := b.Compare(backend.Equal, best, target)
	return b.Reduce(backend.Sum, b.Mul(right, b.Leaf(nn.WeightsName)))
}

// Step learns from one batch: images [N …], targets (Int32 [N], or float32 [N D]) and
// weights [N]. It may return before the device is done. Where ctx is cancelled it
// returns the context's error, and nothing has been learnt.
func (t *Trainer) Step(ctx context.Context, images, targets, weights *tensor.Dense) error {
	s, err := t.write(images, targets, weights)
	if err != nil {
		return err
	}
	return t.run(ctx, s)
}

// Profile is Step with the time of each Op. The error wraps backend.ErrUnsupported where
// the backend cannot tell.
func (t *Trainer) Profile(ctx context.Context, images, targets, weights *tensor.Dense) (backend.Profile, error) {
	s, err := t.write(images, targets, weights)
	if err == nil {
		err = t.writeCounters()
	}
	if err != nil {
		return backend.Profile{}, err
	}
	p, err := backend.ProfileOf(ctx, s.executable)
	if err == nil {
		t.count()
	}
	return p, err
}

// write brings a batch to the backend and returns the step for it.
func (t *Trainer) write(images, targets, weights *tensor.Dense) (*batchStep, error) {
	if t.set != nil {
		return nil, fmt.Errorf("train: the trainer of model %q has the set %q in the backend's memory, expected StepRows instead of Step", t.net.Model.Name, t.set.set.Name())
	}
	if images == nil || images.Dims() == 0 {
		return nil, fmt.Errorf("train: %w: no images, expected a batch of them", backend.ErrShape)
	}
	s, err := t.step(images.Shape()[0])
	if err != nil {
		return nil, err
	}
	if err := s.input.Write(images); err != nil {
		return nil, err
	}
	if err := s.target.Write(targets); err != nil {
		return nil, err
	}
	return s, s.weights.Write(weights)
}

// StepRows learns from the examples of the resident set that lie in these rows of its
// storage, as data.Batch.Rows names them. All else is as in Step.
func (t *Trainer) StepRows(ctx context.Context, rows []int32) error {
	if t.config.Resident == nil {
		return fmt.Errorf("train: the trainer of model %q has no resident set, expected Step instead of StepRows", t.net.Model.Name)
	}
	s, err := t.step(len(rows))
	if err != nil {
		return err
	}
	copy(s.hostRows.Int32s(), rows)
	if err := s.rows.Write(s.hostRows); err != nil {
		return err
	}
	return t.run(ctx, s)
}

// run makes a step on the batch that has been written.
func (t *Trainer) run(ctx context.Context, s *batchStep) error {
	if err := t.writeCounters(); err != nil {
		return err
	}
	if err := s.executable.Run(ctx); err != nil {
		return err
	}
	t.count()
	return nil
}

// writeCounters brings those of the next step to the backend, and count counts it.
func (t *Trainer) writeCounters() error {
	draw := t.draw.Int32s()
	draw[0], draw[1], draw[2] = int32(uint32(t.config.Seed)), int32(uint32(t.config.Seed>>32)), t.draws+1
	if err := t.own[graph.DrawName].Write(t.draw); err != nil {
		return err
	}
	t.update.Int32s()[0] = t.updates + 1
	return t.own[graph.StepBuffer].Write(t.update)
}

func (t *Trainer) count() {
	t.draws++
	t.updates++
}

// alive reports use after Close.
func (t *Trainer) alive() error {
	if t.own == nil {
		return fmt.Errorf("train: trainer of model %q: %w", t.net.Model.Name, backend.ErrClosed)
	}
	return nil
}

// SetLearningRate sets the rate of the steps to come.
func (t *Trainer) SetLearningRate(rate float64) error {
	if err := t.alive(); err != nil {
		return err
	}
	if !(rate >= 0 && rate <= math.MaxFloat32) {
		return fmt.Errorf("train: %w: learning rate %g, expected 0 to %g", backend.ErrRange, rate, math.MaxFloat32)
	}
	if r := float32(rate); t.writtenRate != r {
		t.rate.Float32s()[0] = r
		if err := t.own[graph.LearningRateBuffer].Write(t.rate); err != nil {
			return err
		}
		t.writtenRate = r
	}
	return nil
}

// Loss waits for the last step and returns the mean loss of its batch.
func (t *Trainer) Loss() (float64, error) {
	if err := t.alive(); err != nil {
		return 0, err
	}
	one := tensor.New(tensor.WithShape(1), tensor.Of(tensor.Float32))
	if err := t.own[lossBuffer].Read(one); err != nil {
		return 0, err
	}
	return float64(one.Float32s()[0]), nil
}

// TakeMetrics waits for the last step and returns what has added up since the last
// call: the sum of the examples' losses, and the number classified rightly, 0 where
// the targets are no classes.
func (t *Trainer) TakeMetrics() (loss, right float64, err error) {
	if err := t.alive(); err != nil {
		return 0, 0, err
	}
	m := t.own[metricsBuffer]
	if err := m.Read(t.metrics); err != nil {
		return 0, 0, err
	}
	v := t.metrics.Float32s()
	if len(v) > 1 {
		right = float64(v[1])
	}
	return float64(v[0]), right, m.Write(t.zeros)
}

// pendingMetrics returns what has added up since the last TakeMetrics, and lets it
// stand; setPendingMetrics puts it back.
func (t *Trainer) pendingMetrics() ([]float32, error) {
	err := t.own[metricsBuffer].Read(t.metrics)
	return append([]float32(nil), t.metrics.Float32s()...), err
}

func (t *Trainer) setPendingMetrics(v []float32) error {
	copy(t.metrics.Float32s(), v)
	return t.own[metricsBuffer].Write(t.metrics)
}

// Updates returns how many steps have been made.
func (t *Trainer) Updates() int { return int(t.updates) }

// Close frees what the trainer holds; the network stays.
func (t *Trainer) Close() error {
	var errs []error
	for _, s := range t.steps {
		errs = append(errs, s.close())
	}
	for _, x := range t.own {
		errs = append(errs, x.Free())
	}
	if t.set != nil {
		errs = append(errs, t.set.close())
	}
	t.steps, t.own, t.set = map[int]*batchStep{}, nil, nil
	return errors.Join(errs...)
}

func (s *batchStep) close() error {
	var errs []error
	if s.executable != nil {
		errs = append(errs, s.executable.Close())
	}
	for _, x := range []backend.Tensor{s.input, s.target, s.weights, s.rows} {
		if x != nil {
			errs = append(errs, x.Free())
		}
	}
	return errors.Join(errs...)
}
