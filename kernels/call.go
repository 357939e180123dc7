package kernels

// Pointer is a device address; 0 is an operand that is left out.
type Pointer uint64

// Kernel is an entry point of the embedded PTX.
type Kernel struct {
	Name string // as in the PTX
	File string // of the PTX, without folder and ending
	// Threads is the number that a block has at most, 0 if the source does not say.
	Threads int
	// Size is the number of bytes of the packed arguments.
	Size int
}

// Call is a kernel with its arguments, packed as the C ABI lays them out: each at a
// multiple of its own alignment, in order. The functions of this package, one for
// each kernel, make them.
type Call struct {
	Kernel *Kernel
	Args   []byte
}
