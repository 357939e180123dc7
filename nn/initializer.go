package nn

import (
	"fmt"
	"math"

	"fovea/backend"
)

// Initializer says how a parameter begins. Fan-in is the number of inputs that one
// output sees, fan-out the number of outputs that one input reaches.
type Initializer string

// The initializers. The zero value leaves the choice to the layer: HeNormal in
// front of the ReLU family, XavierUniform elsewhere, zero for biases.
const (
	DefaultInit   Initializer = ""
	Zeros         Initializer = "zeros"
	Ones          Initializer = "ones"
	FanInUniform  Initializer = "fan-in-uniform" // uniform in ±1/√fan-in: LeCun et al. 1998, PyTorch's default
	XavierUniform Initializer = "xavier-uniform" // uniform in ±√(6/(fan-in + fan-out)): Glorot and Bengio 2010
	XavierNormal  Initializer = "xavier-normal"  // normal with variance 2/(fan-in + fan-out): likewise
	HeUniform     Initializer = "he-uniform"     // uniform in ±√(6/fan-in): He et al. 2015
	HeNormal      Initializer = "he-normal"      // normal with variance 2/fan-in: likewise
)

// Initializers lists them all but the default.
func Initializers() []Initializer {
	return []Initializer{Zeros, Ones, FanInUniform, XavierUniform, XavierNormal, HeUniform, HeNormal}
}

func (i Initializer) validate() error {
	for _, k := range append(Initializers(), DefaultInit) {
		if i == k {
			return nil
		}
	}
	return fmt.Errorf("unknown initializer %q, expected one of %q", string(i), Initializers())
}

// Fill computes initial values for a parameter: element e takes its random numbers
// from the stream at step 0, one for a uniform value; e-th and (n+e)-th for a normal
// one, by the Box–Muller transform.
func (i Initializer) Fill(values []float32, fanIn, fanOut int, seed uint64, stream uint32) error {
	if err := i.validate(); err != nil {
		return fmt.Errorf("nn: %w", err)
	}
	if fanIn < 1 || fanOut < 1 {
		return fmt.Errorf("nn: initializer %q: fan-in %d and fan-out %d, expected at least 1", string(i), fanIn, fanOut)
	}
	in, out := float64(fanIn), float64(fanOut)
	switch i {
	case Zeros, DefaultInit:
		fill(values, 0)
	case Ones:
		fill(values, 1)
	case FanInUniform:
		fillUniform(values, 1/math.Sqrt(in), seed, stream)
	case XavierUniform:
		fillUniform(values, math.Sqrt(6/(in+out)), seed, stream)
	case HeUniform:
		fillUniform(values, math.Sqrt(6/in), seed, stream)
	case XavierNormal:
		fillNormal(values, math.Sqrt(2/(in+out)), seed, stream)
	case HeNormal:
		fillNormal(values, math.Sqrt(2/in), seed, stream)
	}
	return nil
}

func fill(values []float32, v float32) {
	for e := range values {
		values[e] = v
	}
}

func fillUniform(values []float32, bound float64, seed uint64, stream uint32) {
	for e := range values {
		values[e] = float32((2*backend.Uniform(seed, uint64(e), stream, 0) - 1) * bound)
	}
}

func fillNormal(values []float32, deviation float64, seed uint64, stream uint32) {
	n := uint64(len(values))
	for e := range values {
		u := 1 - backend.Uniform(seed, uint64(e), stream, 0) // in (0, 1]: its logarithm is finite
		v := backend.Uniform(seed, n+uint64(e), stream, 0)
		values[e] = float32(math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*v) * deviation)
	}
}
