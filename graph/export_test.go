package graph

import "fovea/backend"

// PassesOf runs the passes of a lowering, and after each calls check with the positions
// that the index knows for each piece of memory and those that a look at every
// instruction finds.
func PassesOf(g *Graph, l Lowering, check func(pass string, known, found []int)) {
	c := newCompiler(g, l)
	passes := []struct {
		name string
		run  func()
	}{
		{"none", func() {}}, {"foldSums", c.foldSums}, {"exchangePoolGrads", c.exchangePoolGrads},
		{"fuseActivations", c.fuseActivations}, {"fuseEpilogues", c.fuseEpilogues},
	}
	for _, p := range passes {
		p.run()
		for _, n := range c.g.nodes {
			if c.root(n) != n {
				continue
			}
			for _, access := range []backend.Access{backend.Read, backend.Write} {
				var found []int
				for at := range c.code {
					if c.uses(at, access, n) {
						found = append(found, at)
					}
				}
				check(p.name, c.first(access, n, all), found)
			}
		}
	}
}
