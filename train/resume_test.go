package train

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/nn"
)

// countdown is a context that is cancelled at the n-th time it is asked. Fit asks
// before each step and the backend before each run, so that counting n up
// interrupts a run at every place where it can be.
type countdown struct {
	context.Context
	left atomic.Int64
}

func cancelledAt(t *testing.T, n int) context.Context {
	c := &countdown{Context: t.Context()}
	c.left.Store(int64(n))
	return c
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// run is a small training run that can be repeated.
type run struct {
	model  *nn.Model
	config Config
	seed   uint64 // of the initial parameters
	device string
}

func shortRun(o nn.Optimizer) run {
	return run{
		model: small(3), seed: 5, device: "cpu",
		config: Config{
			Optimizer: o, Schedule: Schedule{Kind: "cosine", Warmup: 0.5}, Batch: 16, Epochs: 3, Seed: 11,
			Classes: []string{"top", "middle", "bottom"}, Extra: map[string]string{"note": "kept"},
		},
	}
}

// outcome is everything of a run that must not depend on how often it was interrupted.
type outcome struct {
	Model   string // bytes of the file
	Arrays  []nn.Array
	Slots   []nn.Array
	History []EpochRecord
	Table   [][]string
	State   state
	Best    int
	Early   bool
}

// in runs in a folder, on a backend and a network of its own.
func (r run) in(t *testing.T, ctx context.Context, dir string, resume bool) (outcome, error) {
	t.Helper()
	b, err := backend.Open(r.device, backend.Options{Threads: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	net, err := nn.NewNetwork(b, r.model, r.seed, nil)
	require.NoError(t, err)
	held := b.Memory().InUse
	c := r.config
	c.Dir, c.Resume = dir, resume
	result, err := Fit(ctx, net, patterns(t, "training", 40, 1), patterns(t, "validation", 20, 2), c)
	assert.Equal(t, held, b.Memory().InUse, "Fit must give back all that it takes")
	if err != nil {
		return outcome{}, err
	}
	o := outcome{Arrays: arraysOf(t, net), History: timeless(result.History), Best: result.BestEpoch, Early: result.StoppedEarly}
	text, err := os.ReadFile(filepath.Join(dir, ModelFile))
	require.NoError(t, err)
	o.Model = string(text)
	file, err := nn.ReadFile(filepath.Join(dir, StateFile))
	require.NoError(t, err)
	s, err := parseState(file.Extra[stateKey])
	require.NoError(t, err)
	o.Slots, o.State = file.ExtraArrays, s.State
	o.State.History = timeless(o.State.History)
	o.Table = historyTable(t, dir)
	return o, nil
}

// timeless leaves out what the clock decides.
func timeless(history []EpochRecord) []EpochRecord {
	out := append([]EpochRecord(nil), history...)
	for i := range out {
		out[i].ImagesPerSecond, out[i].Seconds, out[i].Remaining = 0, 0, 0
	}
	return out
}

// historyTable reads the history as CSV, without the two columns of the clock.
func historyTable(t *testing.T, dir string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, HistoryCSVFile))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	for i, row := range rows {
		rows[i] = append(row[:6:6], row[8:]...)
	}
	return rows
}

// optimizers has each rule, and what changes how one works.
var optimizers = []struct {
	name string
	rule nn.Optimizer
}{
	{"SGD", nn.SGD(0.05)},
	{"momentum", nn.Momentum(0.05, 0.9)},
	{"Nesterov", nn.Nesterov(0.05, 0.9)},
	{"AdaGrad", nn.AdaGrad(0.05)},
	{"AdaDelta", nn.AdaDelta(1)},
	{"RMSProp", nn.RMSProp(0.01)},
	{"Adam", nn.Adam(0.01)},
	{"AdamW", nn.AdamW(0.01, 0.01)},
}

// TestResumeAnywhere interrupts a run at each place where that can happen, and goes on.
func TestResumeAnywhere(t *testing.T) {
	for _, o := range optimizers {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			r := shortRun(o.rule)
			whole, err := r.in(t, t.Context(), t.TempDir(), false)
			require.NoError(t, err)
			require.Len(t, whole.History, 3)
			require.Len(t, whole.Slots, 6*o.rule.Rule.Slots())
			stride := 5
			if o.name == "Adam" && !raceDetector && !testing.Short() {
				stride = 1
			}
			interruptions := 0
			for n := 0; ; n += stride {
				dir := t.TempDir()
				if _, err := r.in(t, cancelledAt(t, n), dir, false); err == nil {
					break // it was over before
				} else {
					require.ErrorIs(t, err, context.Canceled)
				}
				interruptions++
				other := r
				other.seed = 99 // the state must bring all parameters
				other.config.Resident = n%2 == 1
				resumed, err := other.in(t, t.Context(), dir, true)
				require.NoError(t, err, "cancelled at %d", n)
				require.Equal(t, whole, resumed, "cancelled at %d", n)
			}
			// 3 epochs of 3 steps, each asked for twice, and 2 runs of validation.
			assert.GreaterOrEqual(t, interruptions, 24/stride)
		})
	}
}

// TestResumeOften interrupts the same run again and again.
func TestResumeOften(t *testing.T) {
	r := shortRun(nn.Adam(0.01))
	whole, err := r.in(t, t.Context(), t.TempDir(), false)
	require.NoError(t, err)
	for _, every := range []int{2, 3, 5, 7} {
		dir := t.TempDir()
		resumed, err := r.in(t, cancelledAt(t, every), dir, false)
		for again := 0; err != nil; again++ {
			require.ErrorIs(t, err, context.Canceled)
			require.Less(t, again, 30, "the run must advance")
			resumed, err = r.in(t, cancelledAt(t, every), dir, true)
		}
		require.Equal(t, whole, resumed, "cancelled at every %d", every)
	}
}

// TestResumeKeepsPatience interrupts runs that end early.
func TestResumeKeepsPatience(t *testing.T) {
	r := shortRun(nn.SGD(1)) // too fast to improve for long
	r.config.Schedule = Schedule{}
	r.config.Epochs, r.config.Patience = 40, 2
	whole, err := r.in(t, t.Context(), t.TempDir(), false)
	require.NoError(t, err)
	require.True(t, whole.Early)
	require.Less(t, len(whole.History), 40)
	require.Equal(t, whole.Best+2, len(whole.History))
	for n := 1; ; n += 9 {
		dir := t.TempDir()
		if _, err := r.in(t, cancelledAt(t, n), dir, false); err == nil {
			break
		}
		resumed, err := r.in(t, t.Context(), dir, true)
		require.NoError(t, err)
		require.Equal(t, whole, resumed, "cancelled at %d", n)
	}
}

// TestResumeAfterTheEnd changes nothing, and more epochs than before go on.
func TestResumeAfterTheEnd(t *testing.T) {
	r, dir := shortRun(nn.Adam(0.01)), t.TempDir()
	r.config.Schedule = Schedule{}
	whole, err := r.in(t, t.Context(), dir, false)
	require.NoError(t, err)
	again, err := r.in(t, t.Context(), dir, true)
	require.NoError(t, err)
	assert.Equal(t, whole, again)

	r.config.Epochs = 5
	longer, err := r.in(t, t.Context(), dir, true)
	require.NoError(t, err)
	direct, err := r.in(t, t.Context(), t.TempDir(), false)
	require.NoError(t, err)
	assert.Equal(t, direct, longer)
}

// TestResumeOnReference goes on from a state in float32, where the run itself is in
// float64: it ends close by, not in the same bits.
func TestResumeOnReference(t *testing.T) {
	r := shortRun(nn.Adam(0.01))
	r.device = "reference"
	whole, err := r.in(t, t.Context(), t.TempDir(), false)
	require.NoError(t, err)
	dir := t.TempDir()
	_, err = r.in(t, cancelledAt(t, 11), dir, false)
	require.ErrorIs(t, err, context.Canceled)
	resumed, err := r.in(t, t.Context(), dir, true)
	require.NoError(t, err)
	for i := range whole.History {
		// Nine steps of Adam with rate 0.01 amplify roundings of 6e-8 by less than 100.
		assert.InDelta(t, float64(whole.History[i].ValidationLoss), float64(resumed.History[i].ValidationLoss), 1e-5)
	}
}

func TestResumeRefusesAnotherRun(t *testing.T) {
	base, dir := shortRun(nn.Adam(0.01)), t.TempDir()
	_, err := base.in(t, cancelledAt(t, 11), dir, false)
	require.ErrorIs(t, err, context.Canceled)
	for _, c := range []struct {
		name   string
		change func(r *run)
		says   string
	}{
		{"batch", func(r *run) { r.config.Batch = 8 }, "batch 16 and seed 11, found 8 and 11"},
		{"seed", func(r *run) { r.config.Seed = 12 }, "batch 16 and seed 11, found 16 and 12"},
		{"rate", func(r *run) { r.config.Optimizer.LearningRate = 0.02 }, "LearningRate:0.01"},
		{"rule", func(r *run) { r.config.Optimizer = nn.SGD(0.01) }, "Adam"},
		{"schedule", func(r *run) { r.config.Schedule.Warmup = 1 }, "cosine"},
		{"loss", func(r *run) { r.config.Loss = nn.NegativeLogLikelihood }, "NegativeLogLikelihood"},
		{"model", func(r *run) { r.model.Layers[4] = nn.Dropout{Rate: 0.5} }, `another model ("small")`},
		{"shape", func(r *run) { r.model.Layers[0] = nn.Conv2D{Filters: 5, Kernel: nn.Square(3)} }, `another model ("small")`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := shortRun(nn.Adam(0.01))
			c.change(&r)
			_, err := r.in(t, t.Context(), dir, true)
			require.ErrorContains(t, err, "the state is of ")
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, StateFile)
		})
	}

	b := openBackend(t, "cpu", 1)
	c := base.config
	c.Dir, c.Resume = dir, true
	net := newNetwork(t, b, base.model, 5)
	_, err = Fit(t.Context(), net, patterns(t, "training", 39, 1), patterns(t, "validation", 20, 2), c)
	require.ErrorContains(t, err, "40 examples, the training set has 39")

	frozen, err := nn.NewNetwork(b, base.model, 5, func(name string) bool { return strings.HasPrefix(name, "conv1") })
	require.NoError(t, err)
	_, err = Fit(t.Context(), frozen, patterns(t, "training", 40, 1), patterns(t, "validation", 20, 2), c)
	require.ErrorContains(t, err, `found ["conv1.weight" "conv1.bias"]`)
	require.NoError(t, frozen.Close())

	c.Dir = ""
	_, err = Fit(t.Context(), net, patterns(t, "training", 40, 1), patterns(t, "validation", 20, 2), c)
	require.ErrorContains(t, err, "nothing to resume")
	c.Dir = t.TempDir()
	_, err = Fit(t.Context(), net, patterns(t, "training", 40, 1), patterns(t, "validation", 20, 2), c)
	require.ErrorIs(t, err, os.ErrNotExist)

	_, err = base.in(t, t.Context(), dir, true)
	require.NoError(t, err, "the refused attempts must leave the state as it is")
}

// TestResumeTellsAnotherDevice goes on with other instructions.
func TestResumeTellsAnotherDevice(t *testing.T) {
	if devices := cpuDevices(t); len(devices) == 1 {
		t.Skip("this machine has one instruction set")
	}
	notices := func(first, second string) (said []string) {
		r, dir := shortRun(nn.Adam(0.01)), t.TempDir()
		r.device = first
		_, err := r.in(t, cancelledAt(t, 11), dir, false)
		require.ErrorIs(t, err, context.Canceled)
		r.device = second
		r.config.OnNotice = func(text string) { said = append(said, text) }
		_, err = r.in(t, t.Context(), dir, true)
		require.NoError(t, err)
		return said
	}
	said := notices("cpu", "cpu:portable")
	require.Len(t, said, 1)
	assert.Contains(t, said[0], "its bits will differ")
	assert.Empty(t, notices("cpu", cpuDevices(t)[0]), "the best instruction set, by its name, is what cpu chooses")
}

// TestResumeFromDamage resumes from files of which something is missing or wrong.
func TestResumeFromDamage(t *testing.T) {
	r, dir := shortRun(nn.Adam(0.01)), t.TempDir()
	_, err := r.in(t, cancelledAt(t, 10), dir, false) // after the first step of the second epoch
	require.ErrorIs(t, err, context.Canceled)
	good, err := os.ReadFile(filepath.Join(dir, StateFile))
	require.NoError(t, err)
	model, err := os.ReadFile(filepath.Join(dir, ModelFile))
	require.NoError(t, err)
	resume := func(state []byte) error {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dir, StateFile), state, 0o666))
		_, err := r.in(t, cancelledAt(t, 0), dir, true)
		return err
	}

	for _, n := range []int{0, 7, 8, 100, len(good) / 2, len(good) - 1} {
		require.NotErrorIs(t, resume(good[:n]), context.Canceled, "the first %d bytes", n)
	}
	require.NotErrorIs(t, resume(model), context.Canceled, "the model's file")
	edited := func(from, to string) []byte {
		require.Equal(t, 1, strings.Count(string(good), from), from)
		require.Len(t, to, len(from), "the header's length must stay")
		return []byte(strings.Replace(string(good), from, to, 1))
	}
	for _, e := range []struct{ from, to string }{
		{`\"Epoch\":1,`, `\"Epoch\":2,`},
		{`\"Epoch\":1,`, `\"Epock\":1,`},
		{`\"Position\":16`, `\"Position\":17`},
		{`\"Position\":16`, `\"Position\":-1`},
		{`\"Position\":16`, `\"Position\":99`},
		{`\"Updates\":4`, `\"Updates\":5`},
		{`\"Draws\":4`, `\"Draws\":0`},
		{`\"BestEpoch\":1`, `\"BestEpoch\":0`},
		{`\"BestEpoch\":1`, `\"BestEpoch\":9`},
		{`\"Waited\":0`, `\"Waited\":7`},
		{`\"Pending\":[`, `\"Pendinx\":[`},
		{`extra/slot1/conv1.weight`, `extra/slot3/conv1.weight`},
		{`extra/slot1/conv1.weight`, `extra/slot1/conv9.weight`},
	} {
		err := resume(edited(e.from, e.to))
		require.Error(t, err, "%s for %s", e.to, e.from)
		require.NotErrorIs(t, err, context.Canceled, "%s for %s", e.to, e.from)
	}

	after, err := os.ReadFile(filepath.Join(dir, ModelFile))
	require.NoError(t, err)
	assert.Equal(t, model, after, "the best model must survive")
	require.ErrorIs(t, resume(good), context.Canceled)
}

// FuzzResume flips and cuts what a run has written: the state resumes, or is an error.
func FuzzResume(f *testing.F) {
	for _, at := range []uint32{0, 9, 40, 300, 900, 1300, 1500, 1700, 2500, 1 << 20} {
		f.Add(at, byte(1), uint32(1<<30))
		f.Add(at, byte(0x20), uint32(1<<30))
		f.Add(at, byte(0), at)
	}
	var good []byte
	f.Fuzz(func(t *testing.T, at uint32, flip byte, length uint32) {
		r, dir := shortRun(nn.Momentum(0.01, 0.9)), t.TempDir()
		path := filepath.Join(dir, StateFile)
		if good == nil {
			_, err := r.in(t, cancelledAt(t, 10), dir, false)
			require.ErrorIs(t, err, context.Canceled)
			good, err = os.ReadFile(path)
			require.NoError(t, err)
		}
		state := append([]byte(nil), good[:min(int(length), len(good))]...)
		if int(at) < len(state) {
			state[at] ^= flip
		}
		require.NoError(t, os.WriteFile(path, state, 0o666))
		_, err := r.in(t, cancelledAt(t, 1), dir, true)
		require.Error(t, err, fmt.Sprintf("byte %d ^ %#x of %d", at, flip, len(state)))
	})
}
