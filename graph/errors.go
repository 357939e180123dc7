package graph

import (
	"fmt"
	"strings"

	"fovea/backend"
)

// buildError is a mistake in building. Its text names the Op and the layer instead
// of the package and the sentinel that the cause begins with.
type buildError struct {
	text  string
	cause error
}

func (e *buildError) Error() string { return e.text }

func (e *buildError) Unwrap() error { return e.cause }

// Fail records an error, unless there is one already, and returns a node that is
// not valid. Layers use it for mistakes that no Op can see.
func (g *Graph) Fail(err error) *Node { return g.failOp("", err) }

// failOp is Fail for what was being built: an Op, or a declaration.
func (g *Graph) failOp(what string, err error) *Node {
	if g.err != nil {
		return g.nodes[0]
	}
	text := err.Error()
	for _, sentinel := range []error{backend.ErrShape, backend.ErrType} {
		text = strings.TrimPrefix(text, sentinel.Error()+": ")
	}
	if where := strings.TrimSpace(what + " " + g.quotedLabel()); where != "" {
		text = where + ": " + text
	}
	g.err = &buildError{"graph: " + text, err}
	return g.nodes[0]
}

func (g *Graph) quotedLabel() string {
	if g.label == "" {
		return ""
	}
	return fmt.Sprintf("%q", g.label)
}

// failCheck records what an Op's shape rule has found.
func (g *Graph) failCheck(op backend.Op, err error) {
	text := strings.TrimPrefix(err.Error(), "backend: "+op.Kind()+": ")
	g.failOp(nameOf(op), &buildError{text, err})
}

// nameOf is what a user of Graph calls an Op.
func nameOf(op backend.Op) string {
	switch o := op.(type) {
	case *backend.Binary:
		return o.Func.String()
	case *backend.Compare:
		return o.Func.String()
	case *backend.Loss:
		return o.Func.String()
	case *backend.Copy:
		return "Broadcast"
	case *backend.Fill:
		return "Constant"
	}
	return op.Kind()
}
