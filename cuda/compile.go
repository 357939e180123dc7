//go:build cuda

package cuda

import (
	"errors"
	"fmt"

	"fovea/backend"
	"fovea/cuda/driver"
	"fovea/cuda/internal/lower"
	"fovea/cuda/internal/schedule"
	"fovea/kernels"
)

// compiler turns a Program into a CUDA graph.
type compiler struct {
	device     *device
	program    *backend.Program
	works      []lower.Work      // by instruction
	buffers    []kernels.Pointer // address of each buffer that is used
	workspaces []kernels.Pointer // by instruction
	blocks     []named           // scratch and workspaces
}

// alignment of scratch buffers and workspaces in the arena: what the driver gives
// for an allocation, in bytes.
const alignment = 256

// Compile implements backend.Backend.
func (d *device) Compile(p *backend.Program, bind map[string]backend.Tensor) (_ backend.Executable, err error) {
	d.lifetime.RLock()
	defer d.lifetime.RUnlock()
	if p == nil {
		return nil, fmt.Errorf("cuda: Compile: %w: no program is given", backend.ErrProgram)
	}
	if d.closed {
		return nil, fmt.Errorf("cuda: Compile %q: %w", p.Name, backend.ErrClosed)
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	bound, err := backend.CheckBindings(p, bind)
	if err != nil {
		return nil, err
	}
	e := &executable{device: d, name: p.Name}
	c := &compiler{device: d, program: p, buffers: make([]kernels.Pointer, len(p.Buffers))}
	err = e.adopt(c, bound)
	if err == nil {
		err = c.lower()
	}
	if err == nil {
		d.hold(e)
		if err = c.place(); err == nil {
			var tasks []schedule.Task
			e.steps, tasks = c.steps()
			e.graph, err = c.graph(e.steps, tasks)
		}
		e.blocks = c.blocks
		if err != nil {
			err = errors.Join(err, d.release(e))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cuda: program %q: %w", p.Name, meaning(err))
	}
	return e, nil
}

// instruction names an instruction in errors.
func (c *compiler) instruction(i int, err error) error {
	if err == nil {
		return nil
	}
	in := c.program.Code[i]
	return fmt.Errorf("instruction %d (%s %q): %w", i, in.Op.Kind(), in.Label, err)
}

// lower finds the work of every Op.
func (c *compiler) lower() error {
	c.works = make([]lower.Work, len(c.program.Code))
	for i, in := range c.program.Code {
		var err error
		if c.works[i], err = lower.Lower(in.Op, c.device.lower); err != nil {
			return c.instruction(i, err)
		}
	}
	return nil
}

// place gives scratch buffers and workspaces their memory.
func (c *compiler) place() error {
	c.workspaces = make([]kernels.Pointer, len(c.program.Code))
	plan := backend.Plan(c.program, alignment, func(i int, _ backend.Op) int { return c.works[i].Workspace })
	base := kernels.Pointer(0)
	if !c.device.separate && plan.Size > 0 {
		b, err := c.allocate(plan.Size, "arena")
		if err != nil {
			return err
		}
		base = b
	}
	at := func(offset, bytes int, name string) (kernels.Pointer, error) {
		if c.device.separate {
			return c.allocate(bytes, name)
		}
		return base + kernels.Pointer(offset), nil
	}
	for id, offset := range plan.Offsets {
		if offset < 0 {
			continue
		}
		b := c.program.Buffers[id]
		address, err := at(offset, b.Bytes(), fmt.Sprintf("scratch buffer %d %q", id, b.Name))
		if err != nil {
			return err
		}
		c.buffers[id] = address
	}
	for i, offset := range plan.Workspaces {
		if offset < 0 {
			continue
		}
		in := c.program.Code[i]
		address, err := at(offset, c.works[i].Workspace, fmt.Sprintf("workspace of instruction %d (%s %q)", i, in.Op.Kind(), in.Label))
		if err != nil {
			return c.instruction(i, err)
		}
		c.workspaces[i] = address
	}
	return nil
}

func (c *compiler) allocate(bytes int, name string) (kernels.Pointer, error) {
	b, err := c.device.allocate(bytes, name)
	if err == nil {
		c.blocks = append(c.blocks, named{b, name})
	}
	return b.Address, err
}

// Address implements lower.Memory.
func (c *compiler) Address(v backend.View) kernels.Pointer {
	if !v.Present() {
		return 0
	}
	return c.buffers[v.Buffer] + kernels.Pointer(v.Offset)
}

// steps emits the work of every instruction that has some.
func (c *compiler) steps() (steps []step, tasks []schedule.Task) {
	for i, in := range c.program.Code {
		if nodes := c.works[i].Emit(c, c.workspaces[i]); len(nodes) > 0 {
			steps, tasks = append(steps, step{in, nodes}), append(tasks, c.task(i))
		}
	}
	return steps, tasks
}

// graph makes the CUDA graph: the nodes of an Op one after the other, and the first
// of them after all of those Ops that it has to wait for. It is nil for a Program
// without work.
func (c *compiler) graph(steps []step, tasks []schedule.Task) (x *driver.Executable, err error) {
	if len(steps) == 0 {
		return nil, nil
	}
	g, err := c.device.context.NewGraph()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	last := make([]driver.GraphNode, len(steps))
	for i, before := range schedule.Predecessors(tasks) {
		var after []driver.GraphNode
		for _, j := range before {
			after = append(after, last[j])
		}
		for _, n := range steps[i].nodes {
			if last[i], err = c.add(g, after, n); err != nil {
				in := steps[i].instruction
				return nil, fmt.Errorf("%s %q: %w", in.Op.Kind(), in.Label, err)
			}
			after = []driver.GraphNode{last[i]}
		}
	}
	return g.Instantiate()
}

// task is what an instruction does to memory.
func (c *compiler) task(i int) schedule.Task {
	var t schedule.Task
	for _, o := range c.program.Code[i].Op.Operands() {
		begin := uint64(c.Address(*o.View))
		r := schedule.Range{Begin: begin, End: begin + uint64(o.View.Bytes())}
		if o.Access.Writes() {
			t.Writes = append(t.Writes, r)
		} else {
			t.Reads = append(t.Reads, r)
		}
	}
	if n := c.works[i].Workspace; n > 0 {
		begin := uint64(c.workspaces[i])
		t.Writes = append(t.Writes, schedule.Range{Begin: begin, End: begin + uint64(n)})
	}
	return t
}

// add makes one node.
func (c *compiler) add(g *driver.Graph, after []driver.GraphNode, n lower.Node) (driver.GraphNode, error) {
	switch n := n.(type) {
	case lower.Launch:
		f, err := c.device.modules.function(n.Call.Kernel, n.Shared)
		if err != nil {
			return driver.GraphNode{}, err
		}
		return g.AddLaunch(after, f, driver.Grid{Grid: n.Grid, Block: n.Block, Shared: n.Shared}, n.Call.Args)
	case lower.Memset:
		return g.AddFill(after, driver.Address(n.Address), n.Value, n.Bytes)
	case lower.Copy:
		return g.AddCopy(after, driver.Address(n.To), driver.Address(n.From), n.Bytes)
	}
	panic(fmt.Sprintf("BUG: a node of type %T", n))
}
