// Package backend is the contract between mathematics and hardware.
//
// A network is compiled once into a [Program]: a flat list of [Op] values over
// buffers, plain data that can be printed, counted, tested and drawn. A
// [Backend] turns a Program into an [Executable]. Nothing else crosses the line
// between the two.
//
// The Ops are a small, closed set of structs. Each one documents its formula,
// the shape of every operand, what it overwrites and what it accumulates, and
// its adjoint; Check is its shape rule, Cost its floating-point operations and
// memory traffic. Package backend/reference computes each of them in float64
// straight from the formula; package backend/backendtest certifies any other
// backend against that.
//
// Images are NHWC (batch, height, width, channel) and filters OHWI (output
// channel, height, width, input channel), row-major, float32. What a frontend
// calls a convolution is a cross-correlation, as everywhere in the field; its
// adjoint in the input is a true convolution, with flipped filters.
package backend
