package backend

import "errors"

// Sentinel errors, for errors.Is. The errors that wrap them name the Op, operand
// or device, what was found and what was expected.
var (
	// ErrShape is a shape, view or attribute that breaks a rule of an Op.
	ErrShape = errors.New("shape mismatch")
	// ErrType is an element type that an operand does not take.
	ErrType = errors.New("wrong element type")
	// ErrProgram is a Program that is not well formed: a view outside its
	// buffer, a forbidden alias, scratch that is read before it is written.
	ErrProgram = errors.New("malformed program")
	// ErrBinding is a missing, superfluous or unfit tensor at Compile.
	ErrBinding = errors.New("wrong binding")
	// ErrRange is a label or index outside its declared range.
	ErrRange = errors.New("out of range")
	// ErrBusy is a tensor or Executable that another goroutine is using.
	ErrBusy = errors.New("in use")
	// ErrClosed is a backend, tensor or Executable used after Close or Free.
	ErrClosed = errors.New("closed")
	// ErrMemory is a device that has too little memory left.
	ErrMemory = errors.New("out of memory")
	// ErrUnknownBackend is a name that no registered backend answers to, on
	// whatever machine.
	ErrUnknownBackend = errors.New("unknown backend")
	// ErrUnsupported is an Op, device or option that a backend cannot serve.
	ErrUnsupported = errors.New("not supported")
)
