package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/data"
	"fovea/graph"
	"fovea/nn"
)

// Metrics is how well a network does on a data set. What does not apply is NaN:
// accuracy to a regression, the root mean squared error and explained variance to a
// classification.
type Metrics struct {
	Examples int
	Loss     float64 // mean over the examples
	Accuracy float64 // share of examples whose largest logit is their class's
	// RMSE is the root of the mean squared error over examples and targets.
	RMSE float64
	// ExplainedVariance is 1 − Var(target − prediction)/Var(target), averaged over the
	// targets; NaN where a target never varies. Source: Maqueda et al. 2018.
	ExplainedVariance float64
}

// Evaluator measures a network on sets of one kind, in batches of fixed size.
type Evaluator struct {
	net     *nn.Network
	batch   int
	targets *targets

	tensors    map[string]backend.Tensor
	executable backend.Executable

	losses, logits, prediction *tensor.Dense // host copies of the outputs
}

const lossesBuffer = "losses"

// NewEvaluator compiles the forward pass and the loss for batches of n examples of
// sets like this one.
func NewEvaluator(net *nn.Network, loss nn.Loss, like *data.Set, n int) (*Evaluator, error) {
	targets, err := newTargets(net, loss, like)
	if err != nil {
		return nil, err
	}
	b, err := net.Model.Build(n, false)
	if err != nil {
		return nil, err
	}
	losses, _, err := b.AddLoss(net.Model, loss, !targets.rows, 1)
	if err != nil {
		return nil, err
	}
	program, err := b.LowerInference(net.Model.Name+"/evaluate", net.Layout,
		graph.Placement{Node: losses, Buffer: lossesBuffer},
		graph.Placement{Node: b.Logits, Buffer: nn.LogitsName},
		graph.Placement{Node: b.Prediction, Buffer: nn.PredictionName})
	if err != nil {
		return nil, err
	}
	d := b.Logits.Shape()[1]
	e := &Evaluator{
		net: net, batch: n, targets: targets,
		tensors:    map[string]backend.Tensor{},
		losses:     tensor.New(tensor.WithShape(n), tensor.Of(tensor.Float32)),
		logits:     tensor.New(tensor.WithShape(n, d), tensor.Of(tensor.Float32)),
		prediction: tensor.New(tensor.WithShape(n, d), tensor.Of(tensor.Float32)),
	}
	for _, name := range []string{nn.InputName, nn.TargetName, nn.WeightsName, lossesBuffer, nn.LogitsName, nn.PredictionName} {
		spec, ok := inputSpec(program, name)
		if !ok {
			continue
		}
		if e.tensors[name], err = net.Backend.NewTensor(spec); err != nil {
			delete(e.tensors, name)
			return nil, errors.Join(fmt.Errorf("train: evaluation: %w", err), e.Close())
		}
	}
	if e.executable, err = net.Backend.Compile(program, net.Bind(program, e.tensors)); err != nil {
		return nil, errors.Join(fmt.Errorf("train: evaluation: %w", err), e.Close())
	}
	return e, nil
}

// Evaluate runs the network over a whole set. Progress, unless nil, is told how many
// examples are done.
func (e *Evaluator) Evaluate(ctx context.Context, set *data.Set, progress func(done, total int)) (Metrics, error) {
	if e.executable == nil {
		return Metrics{}, fmt.Errorf("train: evaluation: %w", backend.ErrClosed)
	}
	if set == nil {
		return Metrics{}, errors.New("train: evaluation: there is no data set")
	}
	if err := e.targets.check(set); err != nil {
		return Metrics{}, err
	}
	loader, err := data.NewLoader(set, data.LoaderConfig{Batch: e.batch, InOrder: true, PadLast: true})
	if err != nil {
		return Metrics{}, err
	}
	defer loader.Close()
	if err := loader.Start(0, 0); err != nil {
		return Metrics{}, err
	}
	s := &score{accuracy: e.targets.accuracy, outputs: make([]moments, e.targets.outputs)}
	for {
		b, err := loader.Next()
		if errors.Is(err, io.EOF) {
			return s.metrics(), nil
		}
		if err == nil {
			err = e.run(ctx, b)
		}
		if err != nil {
			return Metrics{}, err
		}
		s.add(b, e)
		if progress != nil {
			progress(s.examples, set.Len())
		}
	}
}

func (e *Evaluator) run(ctx context.Context, b *data.Batch) error {
	for _, w := range []struct {
		name string
		host *tensor.Dense
	}{{nn.InputName, b.Images}, {nn.TargetName, e.targets.of(b)}, {nn.WeightsName, b.Weights}} {
		if err := e.tensors[w.name].Write(w.host); err != nil {
			return err
		}
	}
	if err := e.executable.Run(ctx); err != nil {
		return err
	}
	return errors.Join(e.tensors[lossesBuffer].Read(e.losses), e.tensors[nn.LogitsName].Read(e.logits), e.tensors[nn.PredictionName].Read(e.prediction))
}

// Close frees what the evaluator holds; the network stays.
func (e *Evaluator) Close() error {
	var errs []error
	if e.executable != nil {
		errs = append(errs, e.executable.Close())
	}
	for _, t := range e.tensors {
		errs = append(errs, t.Free())
	}
	e.tensors, e.executable = nil, nil
	return errors.Join(errs...)
}

// score adds up results on the host, in float64.
type score struct {
	accuracy bool
	examples int
	loss     float64
	right    int
	squares  float64
	outputs  []moments // of a regression, by target
}

// moments follows the mean and variance of targets and errors by Welford's method.
type moments struct {
	target, err             float64 // means
	targetSquare, errSquare float64 // sums of squared deviations
}

func (s *score) add(b *data.Batch, e *Evaluator) {
	losses, logits, prediction := e.losses.Float32s(), e.logits.Float32s(), e.prediction.Float32s()
	d := len(s.outputs)
	for i := range b.Examples {
		s.loss += float64(losses[i])
		s.examples++
		if s.accuracy {
			if argmax(logits[i*d:(i+1)*d]) == s.class(b, i) {
				s.right++
			}
			continue
		}
		for j := range s.outputs {
			y, p := float64(b.Targets.Float32s()[i*d+j]), float64(prediction[i*d+j])
			s.squares += (y - p) * (y - p)
			s.outputs[j].add(y, y-p, s.examples)
		}
	}
}

// class returns the class of an example of a batch: its label, or the largest number
// of its distribution.
func (s *score) class(b *data.Batch, i int) int {
	if b.Labels != nil {
		return int(b.Labels.Int32s()[i])
	}
	d := len(s.outputs)
	return argmax(b.Targets.Float32s()[i*d : (i+1)*d])
}

func (m *moments) add(target, err float64, n int) {
	dt, de := target-m.target, err-m.err
	m.target += dt / float64(n)
	m.err += de / float64(n)
	m.targetSquare += dt * (target - m.target)
	m.errSquare += de * (err - m.err)
}

func (s *score) metrics() Metrics {
	n := float64(s.examples)
	m := Metrics{Examples: s.examples, Loss: s.loss / n, Accuracy: math.NaN(), RMSE: math.NaN(), ExplainedVariance: math.NaN()}
	if s.accuracy {
		m.Accuracy = float64(s.right) / n
		return m
	}
	d := float64(len(s.outputs))
	m.RMSE = math.Sqrt(s.squares / (n * d))
	m.ExplainedVariance = 0
	for _, o := range s.outputs {
		if o.targetSquare == 0 {
			o.errSquare = math.NaN()
		}
		m.ExplainedVariance += (1 - o.errSquare/o.targetSquare) / d
	}
	return m
}

// argmax returns the position of the first maximum; NaN wins.
func argmax(v []float32) int {
	best := 0
	for i, x := range v {
		if x > v[best] || x != x && v[best] == v[best] {
			best = i
		}
	}
	return best
}

// Evaluate measures a network on a set, in batches of at most n examples.
func Evaluate(ctx context.Context, net *nn.Network, set *data.Set, loss nn.Loss, n int, progress func(done, total int)) (Metrics, error) {
	if set != nil {
		n = min(n, set.Len())
	}
	e, err := NewEvaluator(net, loss, set, n)
	if err != nil {
		return Metrics{}, err
	}
	m, err := e.Evaluate(ctx, set, progress)
	return m, errors.Join(err, e.Close())
}
