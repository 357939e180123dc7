//go:build cuda

package cuda

import (
	"context"
	"errors"
	"fmt"

	"fovea/backend"
	"fovea/cuda/driver"
	"fovea/cuda/internal/lower"
)

// step is an instruction that has work to do.
type step struct {
	instruction backend.Instruction
	nodes       []lower.Node
}

// Profile implements backend.Profiler. It queues the nodes of each Op between two
// events, outside the graph: a launch of its own costs some microseconds, which count.
func (e *executable) Profile(ctx context.Context) (backend.Profile, error) {
	p := limits(e.device.context.Device())
	err := e.run(ctx, "Profile", func() (err error) {
		p.Ops, err = e.time()
		return err
	})
	return p, err
}

// time runs the steps one after the other.
func (e *executable) time() (times []backend.OpTime, err error) {
	stream := e.device.stream
	events := make([]*driver.Event, len(e.steps)+1)
	defer func() {
		for _, v := range events {
			if v != nil {
				err = errors.Join(err, v.Close())
			}
		}
	}()
	for i := range events {
		if events[i], err = e.device.context.NewEvent(true); err != nil {
			return nil, err
		}
	}
	if err := stream.Record(events[0]); err != nil {
		return nil, err
	}
	for i, s := range e.steps {
		for _, n := range s.nodes {
			if err := e.device.queue(n); err != nil {
				return nil, fmt.Errorf("%s %q: %w", s.instruction.Op.Kind(), s.instruction.Label, err)
			}
		}
		if err := stream.Record(events[i+1]); err != nil {
			return nil, err
		}
	}
	if err := stream.Synchronize(); err != nil {
		return nil, err
	}
	times = make([]backend.OpTime, len(e.steps))
	for i, s := range e.steps {
		in := s.instruction
		cost := in.Op.Cost()
		times[i] = backend.OpTime{Label: in.Label, Kind: in.Op.Kind(), Cost: cost, Executed: cost.FLOPs}
		if times[i].Time, err = events[i+1].Elapsed(events[i]); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// queue queues a node in the stream.
func (d *device) queue(n lower.Node) error {
	switch n := n.(type) {
	case lower.Launch:
		f, err := d.modules.function(n.Call.Kernel, n.Shared)
		if err != nil {
			return err
		}
		return d.stream.Launch(f, driver.Grid{Grid: n.Grid, Block: n.Block, Shared: n.Shared}, n.Call.Args)
	case lower.Memset:
		return d.stream.Fill(driver.Address(n.Address), n.Value, n.Bytes)
	case lower.Copy:
		return d.stream.Copy(driver.Address(n.To), driver.Address(n.From), n.Bytes)
	}
	panic(fmt.Sprintf("BUG: a node of type %T", n))
}

// limits is what a device can do at its highest clocks: a fused multiply-add for each
// float32 unit and tick, and two transfers over the memory's bus for each of its ticks.
func limits(d driver.DeviceInfo) backend.Profile {
	units := 128
	if d.Capability <= 80 { // Turing, and the A100
		units = 64
	}
	const kHz = 1e3
	return backend.Profile{
		FLOPs: 2 * float64(units) * float64(d.Multiprocessors) * float64(d.Clock) * kHz,
		Bytes: 2 * float64(d.MemoryBus) / 8 * float64(d.MemoryClock) * kHz,
	}
}
