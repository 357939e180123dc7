package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

// spinPause writes the loop of package spin, which needs no instruction set.
func spinPause(c *build.Context) {
	c.Function("pause")
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(n int)")
	c.Doc("pause executes n PAUSE.")
	n := c.Load(c.Param("n"), c.GP64())
	c.TESTQ(n, n)
	c.JLE(operand.LabelRef("done"))
	c.Label("loop")
	c.PAUSE()
	c.DECQ(n)
	c.JNZ(operand.LabelRef("loop"))
	c.Label("done")
	c.RET()
}
