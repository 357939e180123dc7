package architecture

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rooms lists, for every room of the repository, the other rooms that its
// packages may import. Dependencies point one way:
//
//	cmd → vis → train → data, nn;  nn → graph → backend;  data, filter → backend
//	reference, cpu, cuda → backend;  cuda → kernels
//
// A room may also import what lies below the rooms it imports. Tests and examples
// may import anything that makes no cycle.
var rooms = map[string][]string{
	"backend":             {},
	"backend/reference":   {"backend"},
	"backend/backendtest": {"backend", "backend/reference"}, // the oracle that others are certified against
	"cpu":                 {"backend"},
	"cuda":                {"backend", "kernels"},
	"kernels":             {},
	"graph":               {"backend"},
	"nn":                  {"graph"},
	"data":                {"backend"},
	"filter":              {"backend"},
	"train":               {"data", "nn"},
	"vis":                 {"train", "filter"},
	"cmd":                 {"vis", "cpu", "cuda", "backend/reference"},
	"bench":               {"vis", "cpu", "cuda", "backend/reference"},
	"internal":            {},
}

// concrete lists the backends, which only main programs, benchmarks and tests may name.
var concrete = []string{"cpu", "cuda", "backend/reference"}

// room returns the room of a package, given by its folder: the longest entry of
// rooms that holds it.
func room(dir string) string {
	for ; dir != "."; dir = path.Dir(dir) {
		if _, ok := rooms[dir]; ok {
			return dir
		}
	}
	return ""
}

// below returns the rooms that can be reached from one, itself included.
func below(from string) map[string]bool {
	seen := map[string]bool{}
	var visit func(r string)
	visit = func(r string) {
		if !seen[r] {
			seen[r] = true
			for _, next := range rooms[r] {
				visit(next)
			}
		}
	}
	visit(from)
	return seen
}

// breach explains why a package in one folder may not import the package in
// another; it is empty where it may.
func breach(from, to string) string {
	a, b := room(from), room(to)
	switch {
	case a == "":
		return from + " lies in no room of this test's table"
	case b == "":
		return to + " lies in no room of this test's table"
	case a == b || b == "internal":
		return ""
	case slices.Contains(concrete, b) && a != "cmd" && a != "bench" && a != "backend/backendtest":
		return b + " is a concrete backend: only cmd, bench, examples and tests import one"
	case !below(a)[b]:
		return a + " may not import " + b
	}
	return ""
}

func TestImportsPointOneWay(t *testing.T) {
	checked := 0
	for _, f := range goFiles(t) {
		if f.nested || f.test() {
			continue
		}
		for _, spec := range f.ast.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			if to, ok := strings.CutPrefix(name, module+"/"); ok {
				assert.Empty(t, breach(f.dir, to), "%s imports %s", f.at(spec), name)
				checked++
			}
			if name == "testing" {
				assert.Contains(t, []string{"backend/backendtest", "cpu/internal/fence"}, f.dir, "%s: package testing in a program", f.at(spec))
			}
		}
	}
	assert.Positive(t, checked)
}

// TestBreaches proves that the rules can be broken.
func TestBreaches(t *testing.T) {
	for _, c := range []struct {
		from, to string
		allowed  bool
	}{
		{"nn", "graph", true},
		{"nn", "backend", true}, // below graph
		{"train", "graph", true},
		{"cmd/fovea", "vis", true},
		{"cmd/fovea", "cpu", true},
		{"cpu", "cpu/internal/gemm", true},
		{"nn", "internal/safetensors", true},
		{"backend/backendtest", "backend/reference", true},
		{"graph", "nn", false},
		{"backend", "graph", false},
		{"data", "nn", false},
		{"data", "train", false},
		{"train", "vis", false},
		{"train", "cpu", false},
		{"nn", "backend/reference", false},
		{"cpu", "graph", false},
		{"cpu", "cuda", false},
		{"cpu", "kernels", false},
		{"internal/safetensors", "backend", false},
		{"attic", "backend", false},
	} {
		assert.Equal(t, c.allowed, breach(c.from, c.to) == "", "%s imports %s: %q", c.from, c.to, breach(c.from, c.to))
	}
}
