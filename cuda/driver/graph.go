//go:build cuda && linux && (amd64 || arm64)

package driver

// #include "shims.h"
import "C"

import (
	"fmt"
	"unsafe"

	"gorgonia.org/cu"
)

// Graph is work with dependencies, made node by node. Each Add method takes the nodes that must be complete first.
type Graph struct {
	context *Context
	cu      cu.Graph
	g       C.CUgraph
}

// GraphNode is a node of a Graph.
type GraphNode struct{ n C.CUgraphNode }

// NewGraph makes an empty graph.
func (c *Context) NewGraph() (*Graph, error) {
	g := &Graph{context: c}
	err := c.locked("cuGraphCreate", func() (err error) {
		g.cu, err = cu.MakeGraph()
		return err
	})
	if err != nil {
		return nil, err
	}
	g.g = C.CUgraph(handle(g.cu))
	return g, nil
}

// Close destroys the graph. Executables made of it live on.
func (g *Graph) Close() error {
	if g.g == nil {
		return nil
	}
	g.g = nil
	return g.context.locked("cuGraphDestroy", g.cu.Destroy)
}

// AddLaunch adds a kernel. args is as for Stream.Launch.
func (g *Graph) AddLaunch(after []GraphNode, f *Function, grid Grid, args []byte) (GraphNode, error) {
	if err := g.use("Graph.AddLaunch"); err != nil {
		return GraphNode{}, err
	}
	var n GraphNode
	r := C.fovea_graph_launch_node(g.context.ctx, g.g, nodes(after), C.size_t(len(after)), f.f,
		C.uint(grid.Grid[0]), C.uint(grid.Grid[1]), C.uint(grid.Grid[2]),
		C.uint(grid.Block[0]), C.uint(grid.Block[1]), C.uint(grid.Block[2]), C.uint(grid.Shared),
		unsafe.Pointer(unsafe.SliceData(args)), C.size_t(len(args)), &n.n)
	if err := call("cuGraphAddKernelNode", r); err != nil {
		return GraphNode{}, fmt.Errorf("function %s, %s: %w", f.name, grid, err)
	}
	return n, nil
}

// AddCopy adds a copy of n > 0 bytes within the device.
func (g *Graph) AddCopy(after []GraphNode, to, from Address, n int) (GraphNode, error) {
	return g.addCopy("Graph.AddCopy", after, C.CU_MEMORYTYPE_DEVICE, nil, to, C.CU_MEMORYTYPE_DEVICE, nil, from, n)
}

// AddToDevice adds a copy of n > 0 bytes of pinned memory, from offset, to the device. It is read whenever the graph runs.
func (g *Graph) AddToDevice(after []GraphNode, to Address, from *Pinned, offset, n int) (GraphNode, error) {
	p, err := from.part("Graph.AddToDevice", offset, n)
	if err != nil {
		return GraphNode{}, err
	}
	return g.addCopy("Graph.AddToDevice", after, C.CU_MEMORYTYPE_DEVICE, nil, to, C.CU_MEMORYTYPE_HOST, p, 0, n)
}

// AddToHost adds a copy of n > 0 bytes of device memory to pinned memory, at offset.
func (g *Graph) AddToHost(after []GraphNode, to *Pinned, offset int, from Address, n int) (GraphNode, error) {
	p, err := to.part("Graph.AddToHost", offset, n)
	if err != nil {
		return GraphNode{}, err
	}
	return g.addCopy("Graph.AddToHost", after, C.CU_MEMORYTYPE_HOST, p, 0, C.CU_MEMORYTYPE_DEVICE, nil, from, n)
}

func (g *Graph) addCopy(what string, after []GraphNode, toType C.CUmemorytype, toHost unsafe.Pointer, to Address,
	fromType C.CUmemorytype, fromHost unsafe.Pointer, from Address, n int) (GraphNode, error) {
	if err := g.use(what); err != nil {
		return GraphNode{}, err
	}
	if n <= 0 {
		return GraphNode{}, fmt.Errorf("cuda/driver: %s: %d bytes: %w", what, n, ErrInvalid)
	}
	var node GraphNode
	r := C.fovea_graph_copy_node(g.context.ctx, g.g, nodes(after), C.size_t(len(after)),
		toType, toHost, C.CUdeviceptr(to), fromType, fromHost, C.CUdeviceptr(from), C.size_t(n), &node.n)
	return node, call("cuGraphAddMemcpyNode", r)
}

// AddFill adds a fill of n > 0 bytes, a multiple of 4, with a 32-bit pattern.
func (g *Graph) AddFill(after []GraphNode, to Address, pattern uint32, n int) (GraphNode, error) {
	if err := g.use("Graph.AddFill"); err != nil {
		return GraphNode{}, err
	}
	if n <= 0 || n%4 != 0 {
		return GraphNode{}, fmt.Errorf("cuda/driver: Graph.AddFill: %d bytes, want a positive multiple of 4: %w", n, ErrInvalid)
	}
	var node GraphNode
	r := C.fovea_graph_fill_node(g.context.ctx, g.g, nodes(after), C.size_t(len(after)),
		C.CUdeviceptr(to), C.uint(pattern), C.size_t(n/4), &node.n)
	return node, call("cuGraphAddMemsetNode", r)
}

// Executable is a graph made ready to run, by Stream.Run. It does not run twice at the same time: a launch waits for the one
// before.
type Executable struct {
	context *Context
	g       C.CUgraphExec
}

// Instantiate makes the graph ready to run.
func (g *Graph) Instantiate() (*Executable, error) {
	if err := g.use("Graph.Instantiate"); err != nil {
		return nil, err
	}
	x := &Executable{context: g.context}
	r := C.fovea_graph_instantiate(g.context.ctx, g.g, &x.g)
	if err := call("cuGraphInstantiateWithFlags", r); err != nil {
		return nil, err
	}
	return x, nil
}

// Close destroys the executable once it does not run any more.
func (x *Executable) Close() error {
	if x.g == nil {
		return nil
	}
	if err := x.use("Executable.Close"); err != nil {
		return err
	}
	e := x.g
	x.g = nil
	return call("cuGraphExecDestroy", C.fovea_graph_exec_destroy(x.context.ctx, e))
}

// nodes returns a C array over a slice; a GraphNode is nothing but its handle.
func nodes(after []GraphNode) *C.CUgraphNode {
	return (*C.CUgraphNode)(unsafe.Pointer(unsafe.SliceData(after)))
}

func (g *Graph) use(what string) error {
	if g.g == nil {
		return fmt.Errorf("cuda/driver: %s: graph: %w", what, ErrClosed)
	}
	return g.context.use(what)
}

func (x *Executable) use(what string) error {
	if x.g == nil {
		return fmt.Errorf("cuda/driver: %s: executable graph: %w", what, ErrClosed)
	}
	return x.context.use(what)
}
