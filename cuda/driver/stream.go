//go:build cuda && linux && (amd64 || arm64)

package driver

// #include "shims.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"gorgonia.org/cu"
)

// Stream is a queue of work; streams are not ordered with each other, nor with the default stream.
type Stream struct {
	context *Context
	cu      cu.Stream
	s       C.CUstream
}

// NewStream makes a stream.
func (c *Context) NewStream() (*Stream, error) {
	s := &Stream{context: c}
	err := c.locked("cuStreamCreate", func() (err error) {
		s.cu, err = cu.MakeStream(cu.NonBlocking)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.s = C.CUstream(handle(s.cu))
	return s, nil
}

// Close destroys the stream; work that is queued runs to its end.
func (s *Stream) Close() error {
	if s.s == nil {
		return nil
	}
	s.s = nil
	return s.context.locked("cuStreamDestroy", func() error { return s.cu.Destroy() })
}

// Synchronize waits for the work in the stream, and returns the error of what failed on the device.
func (s *Stream) Synchronize() error {
	if err := s.use("Stream.Synchronize"); err != nil {
		return err
	}
	return call("cuStreamSynchronize", C.fovea_stream_synchronize(s.context.ctx, s.s))
}

// Done tells whether all work in the stream is finished.
func (s *Stream) Done() (bool, error) {
	if err := s.use("Stream.Done"); err != nil {
		return false, err
	}
	return done("cuStreamQuery", C.fovea_stream_query(s.context.ctx, s.s))
}

// Wait makes later work in the stream wait for an event that was recorded in another.
func (s *Stream) Wait(e *Event) error {
	if err := errors.Join(s.use("Stream.Wait"), e.use("Stream.Wait")); err != nil {
		return err
	}
	return call("cuStreamWaitEvent", C.fovea_stream_wait(s.context.ctx, s.s, e.e))
}

// Record records an event: it is complete when all earlier work in the stream is.
func (s *Stream) Record(e *Event) error {
	if err := errors.Join(s.use("Stream.Record"), e.use("Stream.Record")); err != nil {
		return err
	}
	return call("cuEventRecord", C.fovea_event_record(s.context.ctx, e.e, s.s))
}

// Grid is the geometry of a launch.
type Grid struct {
	Grid, Block [3]uint32
	Shared      uint32 // bytes of dynamic shared memory
}

// Launch queues a kernel. args holds the arguments as the C ABI lays them out; it is copied.
func (s *Stream) Launch(f *Function, g Grid, args []byte) error {
	if err := s.use("Stream.Launch"); err != nil {
		return err
	}
	r := C.fovea_launch(s.context.ctx, f.f, C.uint(g.Grid[0]), C.uint(g.Grid[1]), C.uint(g.Grid[2]),
		C.uint(g.Block[0]), C.uint(g.Block[1]), C.uint(g.Block[2]), C.uint(g.Shared), s.s,
		unsafe.Pointer(unsafe.SliceData(args)), C.size_t(len(args)))
	if err := call("cuLaunchKernel", r); err != nil {
		return fmt.Errorf("function %s, %s: %w", f.name, g, err)
	}
	return nil
}

func (g Grid) String() string {
	return fmt.Sprintf("grid %d×%d×%d, block %d×%d×%d, %d bytes of shared memory",
		g.Grid[0], g.Grid[1], g.Grid[2], g.Block[0], g.Block[1], g.Block[2], g.Shared)
}

// Run queues a graph.
func (s *Stream) Run(g *Executable) error {
	if err := errors.Join(s.use("Stream.Run"), g.use("Stream.Run")); err != nil {
		return err
	}
	return call("cuGraphLaunch", C.fovea_graph_launch(s.context.ctx, g.g, s.s))
}

// ToDevice queues a copy of n bytes of pinned memory, from offset, to the device. The pinned memory is read when the copy runs.
func (s *Stream) ToDevice(to Address, from *Pinned, offset, n int) error {
	if err := s.use("Stream.ToDevice"); err != nil {
		return err
	}
	p, err := from.part("Stream.ToDevice", offset, n)
	if err != nil || n == 0 {
		return err
	}
	return call("cuMemcpyHtoDAsync", C.fovea_to_device(s.context.ctx, C.CUdeviceptr(to), p, C.size_t(n), s.s))
}

// ToHost queues a copy of n bytes of device memory to pinned memory, at offset. It is not there before the stream, or an event
// recorded later in it, is complete.
func (s *Stream) ToHost(to *Pinned, offset int, from Address, n int) error {
	if err := s.use("Stream.ToHost"); err != nil {
		return err
	}
	p, err := to.part("Stream.ToHost", offset, n)
	if err != nil || n == 0 {
		return err
	}
	return call("cuMemcpyDtoHAsync", C.fovea_to_host(s.context.ctx, p, C.CUdeviceptr(from), C.size_t(n), s.s))
}

// Copy queues a copy of n bytes within the device.
func (s *Stream) Copy(to, from Address, n int) error {
	if err := s.use("Stream.Copy"); err != nil || n == 0 {
		return err
	}
	if n < 0 {
		return fmt.Errorf("cuda/driver: Stream.Copy: %d bytes: %w", n, ErrInvalid)
	}
	return call("cuMemcpyDtoDAsync",
		C.fovea_copy(s.context.ctx, C.CUdeviceptr(to), C.CUdeviceptr(from), C.size_t(n), s.s))
}

// Fill queues a fill of n bytes, a multiple of 4, with a 32-bit pattern.
func (s *Stream) Fill(to Address, pattern uint32, n int) error {
	if err := s.use("Stream.Fill"); err != nil || n == 0 {
		return err
	}
	if n < 0 || n%4 != 0 {
		return fmt.Errorf("cuda/driver: Stream.Fill: %d bytes, want a multiple of 4: %w", n, ErrInvalid)
	}
	return call("cuMemsetD32Async",
		C.fovea_fill(s.context.ctx, C.CUdeviceptr(to), C.uint(pattern), C.size_t(n/4), s.s))
}

// Upload copies ordinary memory to the device, after the work in the stream, and waits for it.
func (s *Stream) Upload(to Address, from []byte) error {
	if err := s.use("Stream.Upload"); err != nil || len(from) == 0 {
		return err
	}
	return call("cuMemcpyHtoDAsync", C.fovea_upload(s.context.ctx, C.CUdeviceptr(to),
		unsafe.Pointer(&from[0]), C.size_t(len(from)), s.s))
}

// Download copies device memory to ordinary memory, after the work in the stream, and waits for it.
func (s *Stream) Download(to []byte, from Address) error {
	if err := s.use("Stream.Download"); err != nil || len(to) == 0 {
		return err
	}
	return call("cuMemcpyDtoHAsync", C.fovea_download(s.context.ctx, unsafe.Pointer(&to[0]),
		C.CUdeviceptr(from), C.size_t(len(to)), s.s))
}

func (s *Stream) use(what string) error {
	if s.s == nil {
		return fmt.Errorf("cuda/driver: %s: stream: %w", what, ErrClosed)
	}
	return s.context.use(what)
}

// done reads the answer of a query.
func done(name string, r C.CUresult) (bool, error) {
	if r == C.CUDA_ERROR_NOT_READY {
		return false, nil
	}
	return r == C.CUDA_SUCCESS, call(name, r)
}
