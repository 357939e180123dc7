package reference

import (
	"context"
	"time"

	"fovea/backend"
)

// Profile implements backend.Profiler. The times are those of float64 formulas; what
// the machine could do at most is not told, because the reference does not try.
func (e *executable) Profile(ctx context.Context) (backend.Profile, error) {
	times := make([]time.Duration, len(e.steps))
	if err := e.execute(ctx, "Profile", times); err != nil {
		return backend.Profile{}, err
	}
	var p backend.Profile
	for i, s := range e.steps {
		p.Ops = append(p.Ops, backend.OpTime{Label: s.label, Kind: s.kind, Cost: s.cost, Executed: s.cost.FLOPs, Time: times[i]})
	}
	return p, nil
}
