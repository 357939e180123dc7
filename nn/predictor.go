package nn

import (
	"context"
	"errors"
	"fmt"

	"gorgonia.org/tensor"

	"fovea/backend"
	"fovea/graph"
)

// Predictor runs a network on batches of a fixed size. It is used by one goroutine
// at a time.
type Predictor struct {
	batch, outputs int
	example        backend.Shape
	input          backend.Tensor
	logits         backend.Tensor
	prediction     backend.Tensor
	executable     backend.Executable
}

// NewPredictor compiles the network for batches of n examples.
func (n *Network) NewPredictor(batch int) (*Predictor, error) {
	built, err := n.Model.Build(batch, false)
	if err != nil {
		return nil, err
	}
	program, err := built.LowerInference(n.Model.Name+"/predict", n.Layout,
		graph.Placement{Node: built.Logits, Buffer: LogitsName},
		graph.Placement{Node: built.Prediction, Buffer: PredictionName})
	if err != nil {
		return nil, err
	}
	outputs := built.Logits.Shape()[1]
	p := &Predictor{batch: batch, outputs: outputs, example: n.Model.Input}
	own := map[string]backend.Tensor{}
	for _, t := range []struct {
		to   *backend.Tensor
		spec backend.TensorSpec
	}{
		{&p.input, backend.TensorSpec{Name: InputName, Shape: built.Input.Shape()}},
		{&p.logits, backend.TensorSpec{Name: LogitsName, Shape: backend.Shape{batch, outputs}}},
		{&p.prediction, backend.TensorSpec{Name: PredictionName, Shape: backend.Shape{batch, outputs}}},
	} {
		if *t.to, err = n.Backend.NewTensor(t.spec); err != nil {
			return nil, errors.Join(fmt.Errorf("nn: model %q: %w", n.Model.Name, err), p.Close())
		}
		own[t.spec.Name] = *t.to
	}
	if p.executable, err = n.Backend.Compile(program, n.Bind(program, own)); err != nil {
		return nil, errors.Join(fmt.Errorf("nn: model %q: %w", n.Model.Name, err), p.Close())
	}
	return p, nil
}

// Batch returns the number of examples of a batch, and the length of their
// predictions.
func (p *Predictor) Batch() (examples, outputs int) { return p.batch, p.outputs }

// Run predicts a batch of inputs [N …Input]. Logits and Prediction read the results.
func (p *Predictor) Run(ctx context.Context, input *tensor.Dense) error {
	if p.executable == nil {
		return errPredictorClosed
	}
	if err := p.input.Write(input); err != nil {
		return err
	}
	return p.executable.Run(ctx)
}

// Profile is Run with the time of each Op. The error wraps backend.ErrUnsupported where
// the backend cannot tell.
func (p *Predictor) Profile(ctx context.Context, input *tensor.Dense) (backend.Profile, error) {
	if p.executable == nil {
		return backend.Profile{}, errPredictorClosed
	}
	if err := p.input.Write(input); err != nil {
		return backend.Profile{}, err
	}
	return backend.ProfileOf(ctx, p.executable)
}

// Logits copies the last batch's raw outputs [N D] to the host.
func (p *Predictor) Logits(to *tensor.Dense) error { return p.read(p.logits, to) }

// Prediction copies the last batch's predictions [N D] to the host: probabilities, or
// values.
func (p *Predictor) Prediction(to *tensor.Dense) error { return p.read(p.prediction, to) }

func (p *Predictor) read(from backend.Tensor, to *tensor.Dense) error {
	if from == nil {
		return errPredictorClosed
	}
	return from.Read(to)
}

var errPredictorClosed = fmt.Errorf("nn: predictor: %w", backend.ErrClosed)

// Close frees what the predictor holds; the network stays. Later calls of Run, Logits
// and Prediction answer backend.ErrClosed.
func (p *Predictor) Close() error {
	var errs []error
	if p.executable != nil {
		errs = append(errs, p.executable.Close())
	}
	for _, t := range []backend.Tensor{p.input, p.logits, p.prediction} {
		if t != nil {
			errs = append(errs, t.Free())
		}
	}
	*p = Predictor{}
	return errors.Join(errs...)
}
