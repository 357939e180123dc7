package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"slices"
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
	Examples int      // of the training set
	Frozen   []string // parameters that are not learnt
	Device   string   // that made the bits so far
	State    state
}

func (f *fit) stored() stored {
	var frozen []string
	for _, s := range f.net.Layout.Frozen.Slots {
		frozen = append(frozen, s.Name)
	}
	// Which variant of a family was asked for is told by the device, which also knows
	// what the family chose by itself.
	info := f.net.Backend.Info()
	family, _, _ := strings.Cut(info.Name, ":")
	return stored{f.Config, f.training.Len(), frozen, family + ", " + info.Device, f.state}
}

// file returns a model file of the network as it is. A network that has diverged is
// not kept.
func (f *fit) file() (*nn.File, error) {
	arrays, err := f.net.Arrays()
	if err != nil {
		return nil, err
	}
	for _, a := range arrays {
		if i := slices.IndexFunc(a.Data, notFinite); i >= 0 {
			return nil, fmt.Errorf("train: epoch %d: %w: element %d of %q is %g", f.state.Epoch+1, ErrDiverged, i, a.Name, a.Data[i])
		}
	}
	extra := map[string]string{}
	for k, v := range f.Extra {
		extra[k] = v
	}
	return &nn.File{Model: f.net.Model, Loss: f.Loss, Classes: f.Classes, Mean: f.Mean, Std: f.Std, Arrays: arrays, Extra: extra}, nil
}

func notFinite(v float32) bool { return v-v != 0 }

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
	if slices.ContainsFunc(f.state.Pending, notFinite) {
		return fmt.Errorf("train: epoch %d, before example %d of %d: %w", f.state.Epoch+1, f.state.Position, f.training.Len(), ErrDiverged)
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

// restore takes up the state in the run's folder.
func (f *fit) restore() error {
	path := f.statePath()
	file, err := nn.ReadFile(path)
	if err != nil {
		return err
	}
	s, err := parseState(file.Extra[stateKey])
	if err == nil {
		err = f.compatible(file, s)
	}
	if err == nil {
		err = f.restoreSlots(file.ExtraArrays)
	}
	if err == nil {
		err = f.net.SetArrays(file.Arrays)
	}
	if err != nil {
		return fmt.Errorf("train: %s: %w", path, err)
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

// parseState reads what save has written. An entry that it does not know is damage,
// or comes from a newer version.
func parseState(text string) (stored, error) {
	var s stored
	if text == "" {
		return s, fmt.Errorf("it holds no state of a run: there is no metadata %q", stateKey)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("it holds no state of a run: metadata %q: %w", stateKey, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return s, fmt.Errorf("it holds no state of a run: metadata %q goes on behind the state", stateKey)
	}
	return s, nil
}

// restoreSlots writes the optimizer's memory.
func (f *fit) restoreSlots(arrays []nn.Array) error {
	slots := map[string]map[string]nn.Array{}
	for _, a := range arrays {
		slot, name, _ := strings.Cut(strings.TrimPrefix(a.Name, nn.ExtraPrefix), "/")
		if _, known := f.net.Layout.Parameters.Slot(name); !known || f.trainer.own[slot] == nil {
			return fmt.Errorf("the array %q is none of the optimizer's", a.Name)
		}
		if slots[slot] == nil {
			slots[slot] = map[string]nn.Array{}
		}
		slots[slot][name] = nn.Array{Name: name, Shape: a.Shape, Data: a.Data}
	}
	for _, name := range []string{graph.Slot1Buffer, graph.Slot2Buffer} {
		if t, ok := f.trainer.own[name]; ok {
			if err := nn.WriteArena(&f.net.Layout.Parameters, t, slots[name]); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// compatible reports a state that belongs to another run, or to none.
func (f *fit) compatible(file *nn.File, s stored) error {
	was, now := s.Config, f.Config
	frozen := f.stored().Frozen
	switch {
	case !sameJSON(file.Model, f.net.Model):
		return fmt.Errorf("the state is of another model (%q), the run trains %q", file.Model.Name, f.net.Model.Name)
	case !slices.Equal(s.Frozen, frozen):
		return fmt.Errorf("the state is of a run with the frozen parameters %q, found %q", s.Frozen, frozen)
	case s.Examples != f.training.Len():
		return fmt.Errorf("the state is of a run over %d examples, the training set has %d", s.Examples, f.training.Len())
	case was.Batch != now.Batch || was.Seed != now.Seed:
		return fmt.Errorf("the state is of a run with batch %d and seed %d, found %d and %d", was.Batch, was.Seed, now.Batch, now.Seed)
	case was.Loss != now.Loss || was.Optimizer != now.Optimizer || was.Schedule != now.Schedule:
		return fmt.Errorf("the state is of a run with %v, %+v and %+v, found %v, %+v and %+v", was.Loss, was.Optimizer, was.Schedule, now.Loss, now.Optimizer, now.Schedule)
	}
	if err := s.State.check(s.Examples, was.Batch); err != nil {
		return err
	}
	if n := f.trainer.metrics.Shape()[0]; len(s.State.Pending) != n || slices.ContainsFunc(s.State.Pending, notFinite) {
		return fmt.Errorf("%w: the sums of the last steps are %v, expected %d", backend.ErrShape, s.State.Pending, n)
	}
	return nil
}

// check reports counters that contradict each other.
func (s *state) check(examples, batch int) error {
	steps := func(examples int) int { return (examples + batch - 1) / batch }
	switch {
	case s.Epoch != len(s.History):
		return fmt.Errorf("%w: %d finished epochs, and a history of %d", backend.ErrRange, s.Epoch, len(s.History))
	case s.Position < 0 || s.Position > examples || s.Position%batch != 0 && s.Position != examples:
		return fmt.Errorf("%w: position %d in an epoch of %d examples in batches of %d", backend.ErrRange, s.Position, examples, batch)
	case int(s.Updates) != s.Epoch*steps(examples)+steps(s.Position) || s.Draws != s.Updates:
		return fmt.Errorf("%w: %d updates and %d draws, expected %d", backend.ErrRange, s.Updates, s.Draws, s.Epoch*steps(examples)+steps(s.Position))
	case s.BestEpoch < 0 || s.BestEpoch > s.Epoch || (s.BestEpoch == 0) != (s.Epoch == 0) || s.Waited != s.Epoch-s.BestEpoch:
		return fmt.Errorf("%w: best epoch %d of %d, %d since", backend.ErrRange, s.BestEpoch, s.Epoch, s.Waited)
	case !(s.Right >= 0 && s.Right <= float64(s.Position)):
		return fmt.Errorf("%w: %g right among %d examples", backend.ErrRange, s.Right, s.Position)
	}
	return nil
}

func sameJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && reflect.DeepEqual(x, y)
}
