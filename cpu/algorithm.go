package cpu

import "fovea/backend"

// algorithm is a way to compute a convolution or one of its gradients. All follow from
// the shapes alone.
type algorithm int

const (
	// cheapest is the one that is estimated to take least time.
	cheapest algorithm = iota
	// gathered computes each element from all that contributes to it: as a product of
	// patches and filters.
	gathered
	// scattered sends what each output pixel contributes to where it belongs; for
	// gradients of inputs alone.
	scattered
	// transformed is Winograd's F(4×4, 3×3), for windows that allow it.
	transformed
)

// String returns what profiles say.
func (a algorithm) String() string {
	switch a {
	case gathered:
		return "direct"
	case scattered:
		return "scattered"
	case transformed:
		return "winograd 4×4"
	}
	return "cheapest"
}

// convolutionWay returns the algorithm for a Conv2D, a Conv2DInputGrad or a
// Conv2DFilterGrad: the forced one where it can do it, else the cheapest of all. tiles
// are those of Winograd's algorithm, nil where it is not possible.
func (c *compiler) convolutionWay(op backend.Op) (way algorithm, tiles *winogradTiles) {
	tiles, possible := c.winogradOf(op)
	forced := c.device.algorithm
	if possible && (forced == transformed || forced == cheapest && tiles.cheaper()) {
		return transformed, tiles
	}
	if o, ok := op.(*backend.Conv2DInputGrad); ok && forced != gathered {
		if s := c.newInputScatter(o); s != nil && (forced == scattered || s.cost() < c.gatherCost(o)) {
			return scattered, tiles
		}
	}
	return gathered, tiles
}

// conv2D plans the convolution.
func (c *compiler) conv2D(p *plan, o *backend.Conv2D) {
	way, tiles := c.convolutionWay(o)
	p.algorithm = way.String()
	if way == transformed {
		c.winogradForward(p, o, tiles)
	} else {
		c.gatherConv2D(p, o)
	}
}

// conv2DInputGrad plans the adjoint in the input.
func (c *compiler) conv2DInputGrad(p *plan, o *backend.Conv2DInputGrad) {
	way, tiles := c.convolutionWay(o)
	p.algorithm = way.String()
	switch way {
	case transformed:
		c.winogradInputGrad(p, o, tiles)
	case scattered:
		c.newInputScatter(o).plan(c, p, o)
	default:
		c.gatherInputGrad(p, o)
	}
}

// conv2DFilterGrad plans the adjoint in the filters.
func (c *compiler) conv2DFilterGrad(p *plan, o *backend.Conv2DFilterGrad) {
	way, tiles := c.convolutionWay(o)
	p.algorithm = way.String()
	if way == transformed {
		c.winogradFilterGrad(p, o, tiles)
	} else {
		c.gatherFilterGrad(p, o)
	}
}
