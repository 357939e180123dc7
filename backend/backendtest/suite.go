// Package backendtest is the conformance suite for backends: one call of [Run]
// certifies a backend on every Op, against package backend/reference.
//
// An Op is run on operands that lie at odd places between guard elements of
// larger buffers. Afterwards the guards and all inputs must hold the same bits as
// before, a second run must give the same bits as the first, and every element of
// every output must lie within a bound of the reference. A bound is derived from
// the Op's formula for just these inputs: the file that holds it says how. There
// are no averaged errors and no blanket tolerances.
//
// The same bits must come out where the operands lie in scratch, for any number of
// threads, and where what is fused into an Op is done by Ops of its own.
//
// The cases are the same in every run: hand-picked ones for the edges of each Op,
// and some drawn from a seeded generator. A failing case prints the command that
// repeats it.
package backendtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/backend"
	_ "fovea/backend/reference" // the oracle
)

// Config changes the size of the suite. The zero value is the full suite.
type Config struct {
	// Seed draws the random cases and all inputs.
	Seed uint64
	// Short runs one case in four, for backends that are slow by nature: a
	// simulated device, the race detector.
	Short bool
	// OpenThreads, if set, opens the backend with a number of threads; the suite
	// then shows that results do not depend on it.
	OpenThreads func(t testing.TB, threads int) backend.Backend
	// Winograd, if set, tells by which algorithm the backend computes a Conv2D, a
	// Conv2DInputGrad or a Conv2DFilterGrad of these shapes, nil if it adds up
	// products. The bound of Winograd's algorithm holds for just these.
	Winograd func(op backend.Op) *Winograd
}

// Run certifies the backend that open opens: every Op, whole Programs, and the
// rules for tensors, Executables and errors. It opens the backend several times
// and closes each.
func Run(t *testing.T, open func(t testing.TB) backend.Backend) {
	RunConfig(t, open, Config{})
}

// RunConfig is Run with another size.
func RunConfig(t *testing.T, open func(t testing.TB) backend.Backend, c Config) {
	RunKinds(t, open, c, backend.Kinds()...)
	t.Run("Chain", func(t *testing.T) { runChains(t, open(t), c) })
	t.Run("Fusion", func(t *testing.T) { runFusion(t, open(t), c) })
	runContract(t, open, c)
}

// RunKinds certifies some kinds of Ops alone, for a backend that has several ways to
// compute them.
func RunKinds(t *testing.T, open func(t testing.TB) backend.Backend, c Config, kinds ...string) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) { runKind(t, open(t), kind, c) })
	}
}

// Check certifies a backend on one Op, whose operands have types and shapes but no
// place, for inputs drawn by the seed.
func Check(b backend.Backend, op backend.Op, c Config) (err error) {
	ref, err := backend.Open("reference", backend.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ref.Close()) }()
	return c.certify(b, ref, Case{Op: op}, random(c.Seed, op.Kind(), 0))
}

func runContract(t *testing.T, open func(t testing.TB) backend.Backend, c Config) {
	for _, rule := range contract {
		t.Run(rule.name, func(t *testing.T) {
			rule.check(t, func() backend.Backend { return open(t) })
		})
	}
	if c.OpenThreads != nil {
		t.Run("Threads", func(t *testing.T) {
			checkThreads(t, func(threads int) backend.Backend { return c.OpenThreads(t, threads) })
		})
	}
}

// openReference opens the oracle.
func openReference(t testing.TB) backend.Backend {
	ref, err := backend.Open("reference", backend.Options{})
	require.NoError(t, err)
	return ref
}

// runKind runs all cases of one kind of Op, and then sees that nothing they took
// is still held.
func runKind(t *testing.T, b backend.Backend, kind string, c Config) {
	ref := openReference(t)
	defer closeBackend(t, ref)
	defer closeBackend(t, b)
	cases := Cases(kind, c.Seed)
	require.NotEmpty(t, cases, "no case for %s", kind)
	before := b.Memory().InUse
	for i, tc := range cases {
		if c.Short && i%4 != 0 {
			continue
		}
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			if err := c.certify(b, ref, tc, random(c.Seed, kind, i)); err != nil {
				t.Errorf("%v\nrepeat: %s", err, repeat(t.Name()))
			}
		})
	}
	require.Equal(t, before, b.Memory().InUse, "bytes in use after the cases of %s", kind)
}

func closeBackend(t testing.TB, b backend.Backend) {
	require.NoError(t, b.Close())
}

// repeat is the command line that runs one test again.
func repeat(name string) string {
	pattern := "^" + strings.ReplaceAll(name, "/", "$/^") + "$"
	return fmt.Sprintf("go test %s -run '%s'", packagePath(), pattern)
}

// packagePath is the folder of the package under test as the go command names it
// from the root of its module.
func packagePath() string {
	here, err := os.Getwd()
	if err != nil {
		return "."
	}
	for root := here; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			if rel, err := filepath.Rel(root, here); err == nil {
				return "./" + filepath.ToSlash(rel)
			}
		}
		if root == filepath.Dir(root) {
			return "."
		}
	}
}
