//go:build cuda && linux && (amd64 || arm64)

package driver

// #include "shims.h"
import "C"

import (
	"errors"
	"fmt"
	"time"

	"gorgonia.org/cu"
)

// Event marks a place in a stream.
type Event struct {
	context *Context
	cu      cu.Event
	e       C.CUevent
}

// NewEvent makes an event. timing makes it fit for Elapsed; events without are cheaper.
func (c *Context) NewEvent(timing bool) (*Event, error) {
	flags := cu.DisableTiming
	if timing {
		flags = cu.DefaultEvent
	}
	e := &Event{context: c}
	err := c.locked("cuEventCreate", func() (err error) {
		e.cu, err = cu.MakeEvent(flags)
		return err
	})
	if err != nil {
		return nil, err
	}
	e.e = C.CUevent(handle(e.cu))
	return e, nil
}

// Close destroys the event.
func (e *Event) Close() error {
	if e.e == nil {
		return nil
	}
	e.e = nil
	return e.context.locked("cuEventDestroy", func() error { return cu.DestroyEvent(&e.cu) })
}

// Synchronize waits for the event, and returns the error of what failed on the device.
func (e *Event) Synchronize() error {
	if err := e.use("Event.Synchronize"); err != nil {
		return err
	}
	return call("cuEventSynchronize", C.fovea_event_synchronize(e.context.ctx, e.e))
}

// Done tells whether the event is complete. One that was never recorded is.
func (e *Event) Done() (bool, error) {
	if err := e.use("Event.Done"); err != nil {
		return false, err
	}
	return done("cuEventQuery", C.fovea_event_query(e.context.ctx, e.e))
}

// Elapsed returns the time from start to e, both complete and made with timing, to about half a microsecond.
func (e *Event) Elapsed(start *Event) (time.Duration, error) {
	if err := errors.Join(e.use("Event.Elapsed"), start.use("Event.Elapsed")); err != nil {
		return 0, err
	}
	var ms C.float
	if err := call("cuEventElapsedTime", C.fovea_event_elapsed(e.context.ctx, &ms, start.e, e.e)); err != nil {
		return 0, err
	}
	return time.Duration(float64(ms) * float64(time.Millisecond)), nil
}

func (e *Event) use(what string) error {
	if e.e == nil {
		return fmt.Errorf("cuda/driver: %s: event: %w", what, ErrClosed)
	}
	return e.context.use(what)
}
