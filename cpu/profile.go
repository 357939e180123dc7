package cpu

import (
	"context"

	"fovea/backend"
)

// instruction is an Op with its steps, those from from to to−1.
type instruction struct {
	backend.OpTime // but for the time
	from, to       int
}

func newInstruction(in backend.Instruction, p *plan, from, to int) instruction {
	o := backend.OpTime{Label: in.Label, Kind: in.Op.Kind(), Algorithm: p.algorithm, Cost: in.Op.Cost(), Executed: p.executed}
	if o.Executed == 0 {
		o.Executed = o.Cost.FLOPs
	}
	return instruction{o, from, to}
}

// Profile implements backend.Profiler.
func (e *executable) Profile(ctx context.Context) (backend.Profile, error) {
	var p backend.Profile
	if err := e.run(ctx, "Profile", &p); err != nil {
		return backend.Profile{}, err
	}
	p.FLOPs, p.Bytes = e.device.measuredLimits()
	return p, nil
}
