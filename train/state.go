package train

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"fovea/backend"
	"fovea/graph"
	"fovea/nn"
)

// state is what a run needs to go on, beside the arrays.
type state struct {
	Epoch    int     // epochs that are finished
	Position int     // examples of the next one that are done
	LossSum  float64 // over those examples
	Right    float64
	Pending  []float32 // what has added up on the device since
	Updates  int32
	Draws    int32
	Rate     float64 // learning rate of the last step

	BestEpoch int // 0: none yet
	BestLoss  float64
	Waited    int // epochs since

	History []EpochRecord
}

// stateKey is the metadata key of the state in a model file.
const stateKey = "fovea.train"

// stored is the state with what it belongs to.
type stored struct {
	Config   Config
	Examples int    // of the training set
	Device   string // that made the bits so far
	State    state
}

func (f *fit) stored() stored {
	info := f.net.Backend.Info()
	return stored{f.Config, f.training.Len(), info.Name + ", " + info.Device, f.state}
}

// file returns a model file of the network as it is.
func (f *fit) file() (*nn.File, error) {
	arrays, err := f.net.Arrays()
	if err != nil {
		return nil, err
	}
	extra := map[string]string{}
	for k, v := range f.Extra {
		extra[k] = v
	}
	return &nn.File{Model: f.net.Model, Loss: f.Loss, Classes: f.Classes, Mean: f.Mean, Std: f.Std, Arrays: arrays, Extra: extra}, nil
}

// saveModel keeps the network as the best so far.
func (f *fit) saveModel() error {
	file, err := f.file()
	if err != nil {
		return err
	}
	return file.Write(f.modelPath())
}

// save writes the resumable state.
func (f *fit) save() error {
	if f.Dir == "" {
		return nil
	}
	file, err := f.file()
	if err != nil {
		return err
	}
	f.state.Updates, f.state.Draws = f.trainer.updates, f.trainer.draws
	if f.state.Pending, err = f.trainer.pendingMetrics(); err != nil {
		return err
	}
	text, err := json.Marshal(f.stored())
	if err != nil {
		return fmt.Errorf("train: state: %w", err)
	}
	file.Extra[stateKey] = string(text)
	for _, name := range []string{graph.Slot1Buffer, graph.Slot2Buffer} {
		t, ok := f.trainer.own[name]
		if !ok {
			continue
		}
		slots, err := nn.ReadArena(&f.net.Layout.Parameters, t)
		if err != nil {
			return err
		}
		for _, a := range slots {
			a.Name = nn.ExtraPrefix + name + "/" + a.Name
			file.ExtraArrays = append(file.ExtraArrays, a)
		}
	}
	return file.Write(f.statePath())
}

func (f *fit) statePath() string { return filepath.Join(f.Dir, StateFile) }

// restore takes up the state in the run's folder. The settings must be the same, but
// for the number of epochs and the patience.
func (f *fit) restore() error {
	path := f.statePath()
	file, err := nn.ReadFile(path)
	if err != nil {
		return err
	}
	var s stored
	if err := json.Unmarshal([]byte(file.Extra[stateKey]), &s); err != nil {
		return fmt.Errorf("train: %s: it holds no state of a run: metadata %q: %w", path, stateKey, err)
	}
	if err := f.compatible(file, s); err != nil {
		return fmt.Errorf("train: %s: %w", path, err)
	}
	if err := f.net.SetArrays(file.Arrays); err != nil {
		return fmt.Errorf("train: %s: %w", path, err)
	}
	slots := map[string]map[string]nn.Array{}
	for _, a := range file.ExtraArrays {
		slot, name, _ := strings.Cut(strings.TrimPrefix(a.Name, nn.ExtraPrefix), "/")
		if slots[slot] == nil {
			slots[slot] = map[string]nn.Array{}
		}
		slots[slot][name] = nn.Array{Name: name, Shape: a.Shape, Data: a.Data}
	}
	for _, name := range []string{graph.Slot1Buffer, graph.Slot2Buffer} {
		if t, ok := f.trainer.own[name]; ok {
			if err := nn.WriteArena(&f.net.Layout.Parameters, t, slots[name]); err != nil {
				return fmt.Errorf("train: %s: %s: %w", path, name, err)
			}
		}
	}
	f.state = s.State
	f.trainer.updates, f.trainer.draws = s.State.Updates, s.State.Draws
	if err := f.trainer.setPendingMetrics(s.State.Pending); err != nil {
		return err
	}
	if now := f.stored().Device; now != s.Device && f.OnNotice != nil {
		f.OnNotice(fmt.Sprintf("the run was begun on %s and goes on on %s: its bits will differ from an uninterrupted run's", s.Device, now))
	}
	return nil
}

// compatible reports a state that belongs to another run.
func (f *fit) compatible(file *nn.File, s stored) error {
	was, now := s.Config, f.Config
	switch {
	case !sameJSON(file.Model, f.net.Model):
		return fmt.Errorf("the state is of another model (%q), the run trains %q", file.Model.Name, f.net.Model.Name)
	case s.Examples != f.training.Len():
		return fmt.Errorf("the state is of a run over %d examples, the training set has %d", s.Examples, f.training.Len())
	case was.Batch != now.Batch || was.Seed != now.Seed:
		return fmt.Errorf("the state is of a run with batch %d and seed %d, found %d and %d", was.Batch, was.Seed, now.Batch, now.Seed)
	case was.Loss != now.Loss || was.Optimizer != now.Optimizer || was.Schedule != now.Schedule:
		return fmt.Errorf("the state is of a run with %v, %+v and %+v, found %v, %+v and %+v", was.Loss, was.Optimizer, was.Schedule, now.Loss, now.Optimizer, now.Schedule)
	}
	st := s.State
	if st.Epoch < 0 || st.Position < 0 || st.Position > s.Examples || st.Position%was.Batch != 0 && st.Position != s.Examples ||
		st.Updates < 0 || st.Draws < 0 || len(st.History) != st.Epoch || st.BestEpoch < 0 || st.BestEpoch > st.Epoch {
		return fmt.Errorf("%w: its counters contradict each other: %+v", backend.ErrRange, st)
	}
	return nil
}

func sameJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && reflect.DeepEqual(x, y)
}
