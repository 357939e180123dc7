package cpu

import "fovea/backend"

// derived is what an Op makes out of an operand before it computes with it: packed
// filters, transformed ones, a transpose. Where the operand is a tensor that the
// Program only reads, as all parameters are in inference, it is kept from run to run,
// in memory of its own, and made again when somebody has written the tensor since.
// Else it is made in every run, in the workspace of the Op.
//
// A plan asks for it by derive; its bind takes the memory from floats and adds the
// steps that fill it inside making:
//
//	packed := c.derive(p, o.W, n)
//	p.bind = func(work []byte) {
//		to := packed.floats(work)
//		c.making(packed, func() { c.split(…, func(lo, hi, worker int) { … fill to … }) })
//		…
//	}
type derived struct {
	source  *array // nil: made in every run
	memory  []byte // where there is a source
	region  region // of the workspace, where there is none
	version uint64 // of the source that it was made from, plus one; 0 where it never was
	stale   bool   // to be made in this run
}

// derive plans n float32 numbers that are made of the operand v.
func (c *compiler) derive(p *plan, v backend.View, n int) *derived {
	d := &derived{}
	if c.keeps(v) {
		d.source = c.tensors[v.Buffer]
		d.region = region{n: n, owners: 1}
		c.kept = append(c.kept, d)
		return d
	}
	d.region = p.floats(n)
	return d
}

// keeps reports whether what is made of the operand v is kept from run to run.
func (c *compiler) keeps(v backend.View) bool {
	return c.tensors[v.Buffer] != nil && !c.accesses[v.Buffer].Writes()
}

// allocate gets the memory of what is kept. The error wraps backend.ErrMemory.
func (d *derived) allocate(bytes func(n int) ([]byte, error)) (err error) {
	d.memory, err = bytes(d.region.n * 4)
	return err
}

// floats returns the memory; work is the workspace of the Op.
func (d *derived) floats(work []byte) []float32 {
	if d.source != nil {
		work = d.memory
	}
	return in[float32](work, d.region)
}

// making adds the steps that add adds, which are left out of runs that find the data
// up to date. They may use the workspace, but nothing that they leave there may be
// used by other steps.
func (c *compiler) making(d *derived, add func()) {
	from := len(c.steps)
	add()
	if d.source == nil {
		return
	}
	for i := from; i < len(c.steps); i++ {
		c.steps[i].making = d
	}
}

// begin decides what has to be made in this run. The source must be claimed.
func (d *derived) begin() {
	version := d.source.usage.Version() + 1
	d.stale = d.version != version
	d.version = version
}
