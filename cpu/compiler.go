package cpu

import (
	"fmt"

	"fovea/backend"
)

// compiler turns a Program into steps.
type compiler struct {
	device   *device
	program  *backend.Program
	threads  int
	tensors  []*array         // those that are bound, by BufferID
	accesses []backend.Access // by BufferID
	memory   [][]byte         // by BufferID
	arena    *arena
	scratch  int // bytes of the arena that are used
	kept     []*derived
	fault    *fault
	numbers  []int  // of the instructions before some were joined, for messages
	current  string // the instruction that is being bound, for messages
	steps    []step
	work     []instruction
}

// plan is how an Op will be executed: the workspace it needs, and what adds its
// steps once all memory is in place.
type plan struct {
	layout
	bind func(work []byte)

	// For profiles: the algorithm, where there are several ("direct", "winograd 4×4"),
	// and how many floating-point operations it does, 0 where as many as the Op's Cost
	// tells.
	algorithm string
	executed  int64
}

// compile plans the memory of the Program, which comes from join, and binds its
// instructions, each as planOf says.
func (c *compiler) compile(planOf func(*compiler, backend.Op) *plan, join func(bytes int) (*arena, error)) error {
	c.join()
	plans := make([]*plan, len(c.program.Code))
	for i, in := range c.program.Code {
		plans[i] = planOf(c, backend.CloneOp(in.Op))
		if plans[i] == nil {
			return fmt.Errorf("cpu: program %q, instruction %d (%q): %w: Op %s", c.program.Name, c.numbers[i], in.Label, backend.ErrUnsupported, in.Op.Kind())
		}
	}
	for _, d := range c.kept {
		if err := d.allocate(c.device.allocate); err != nil {
			return fmt.Errorf("cpu: program %q: what is made of parameters: %w", c.program.Name, err)
		}
	}
	placed := backend.Plan(c.program, alignment, func(i int, _ backend.Op) int { return plans[i].bytes })
	var err error
	if c.arena, err = join(placed.Size); err != nil {
		return fmt.Errorf("cpu: program %q: scratch memory: %w", c.program.Name, err)
	}
	c.scratch = placed.Size
	for id, at := range placed.Offsets {
		if at >= 0 {
			c.memory[id] = c.arena.memory[at : at+c.program.Buffers[id].Bytes()]
		}
	}
	for i, in := range c.program.Code {
		c.current = fmt.Sprintf("instruction %d (%s %q)", c.numbers[i], in.Op.Kind(), in.Label)
		var work []byte
		if at := placed.Workspaces[i]; at >= 0 {
			work = c.arena.memory[at : at+plans[i].bytes]
		}
		from := len(c.steps)
		plans[i].bind(work)
		c.work = append(c.work, newInstruction(in, plans[i], from, len(c.steps)))
	}
	return nil
}

// plan returns the plan of an Op that passes Check; nil if the Op is unknown.
func (c *compiler) plan(op backend.Op) *plan {
	p := &plan{}
	switch o := op.(type) {
	case *backend.Conv2D:
		c.conv2D(p, o)
	case *pooledConv2D:
		c.pooledConv2D(p, o)
	case *pooledFilterGrad:
		c.pooledFilterGrad(p, o)
	case *backend.Conv2DInputGrad:
		c.conv2DInputGrad(p, o)
	case *backend.Conv2DFilterGrad:
		c.conv2DFilterGrad(p, o)
	case *backend.MatMul:
		c.matMul(p, o)
	case *backend.MaxPool2D:
		c.maxPool2D(p, o)
	case *backend.MaxPool2DGrad:
		c.maxPool2DGrad(p, o)
	case *backend.AvgPool2D:
		c.avgPool2D(p, o)
	case *backend.AvgPool2DGrad:
		c.avgPool2DGrad(p, o)
	case *backend.Pad:
		c.pad(p, o)
	case *backend.PadGrad:
		c.padGrad(p, o)
	case *backend.Resize:
		c.resize(p, o)
	case *backend.ResizeGrad:
		c.resizeGrad(p, o)
	case *backend.Unary:
		c.unary(p, o)
	case *backend.UnaryGrad:
		c.unaryGrad(p, o)
	case *backend.Binary:
		c.binary(p, o)
	case *backend.Compare:
		c.compare(p, o)
	case *backend.Select:
		c.choose(p, o)
	case *backend.Reduce:
		c.reduce(p, o)
	case *backend.ReduceMaxGrad:
		c.reduceMaxGrad(p, o)
	default:
		return c.planMore(p, op)
	}
	return p
}

// planMore is plan for the Ops that move data, those of the loss, and those that
// learn.
func (c *compiler) planMore(p *plan, op backend.Op) *plan {
	switch o := op.(type) {
	case *backend.Fill:
		c.fill(p, o)
	case *backend.Copy:
		c.copy(p, o)
	case *backend.Slice:
		c.slice(p, o)
	case *backend.Embed:
		c.embed(p, o)
	case *backend.Concatenate:
		c.concatenate(p, o)
	case *backend.Transpose:
		c.transpose(p, o)
	case *backend.Gather:
		c.gather(p, o)
	case *backend.ScatterAdd:
		c.scatterAdd(p, o)
	case *backend.Convert:
		c.convert(p, o)
	case *backend.Maxout:
		c.maxout(p, o)
	case *backend.MaxoutGrad:
		c.maxoutGrad(p, o)
	case *backend.Softmax:
		c.softmax(p, o)
	case *backend.SoftmaxGrad:
		c.softmaxGrad(p, o)
	case *backend.Loss:
		c.loss(p, o)
	case *backend.LossGrad:
		c.lossGrad(p, o)
	case *backend.Dropout:
		c.dropout(p, o)
	case *backend.DropoutGrad:
		c.dropoutGrad(p, o)
	case *backend.BatchNorm:
		c.batchNorm(p, o)
	case *backend.BatchNormGrad:
		c.batchNormGrad(p, o)
	case *backend.BatchNormInference:
		c.batchNormInference(p, o)
	case *backend.MovingAverage:
		c.movingAverage(p, o)
	case *backend.OptimizerStep:
		c.optimizerStep(p, o)
	default:
		return nil
	}
	return p
}

// parallel adds a step of several parts.
func (c *compiler) parallel(parts int, work func(part, worker int)) {
	c.steps = append(c.steps, step{parts: parts, work: work})
}

// once adds a step that one goroutine does.
func (c *compiler) once(work func()) {
	c.parallel(1, func(int, int) { work() })
}

// split adds a step over n items, cut into parts of about grain items; none if
// there are no items. It cuts at multiples of unit.
func (c *compiler) split(n, grain, unit int, work func(lo, hi, worker int)) {
	if n == 0 {
		return
	}
	parts, size := divide(n, grain, unit, maxSplit)
	c.parallel(parts, func(part, worker int) {
		work(part*size, min((part+1)*size, n), worker)
	})
}

// The most parts of a step: enough for many goroutines to end at about the same time,
// few enough that handing them out costs nothing, and never dependent on how many
// goroutines there are. A part that leaves sums, to be added to those of the others in
// order, takes memory and time after it, so there are fewer of those.
const (
	maxSplit = 512
	maxParts = 64
)

// cut returns how many parts that leave sums n items make, and how many items each of
// them but the last holds.
func cut(n, grain, unit int) (parts, size int) { return divide(n, grain, unit, maxParts) }

// divide is cut for at most so many parts.
func divide(n, grain, unit, most int) (parts, size int) {
	parts = min(max(n/max(grain, 1), 1), most)
	size = ceil(ceil(n, parts), unit) * unit
	return ceil(n, size), size
}

// ceil returns n/d rounded up.
func ceil(n, d int) int { return (n + d - 1) / d }

// elementGrain is how many elements of a cheap loop are worth a part: they take
// as long as ten wake-ups of a goroutine.
const elementGrain = 1 << 15

// grainFor is the grain of items that take cost times as long as an element of a
// cheap loop.
func grainFor(cost int) int { return max(elementGrain/max(cost, 1), 1) }
