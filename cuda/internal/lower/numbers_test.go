package lower

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
)

// valueNames lists what the values of a Go type are called, from 0 on.
func valueNames[T ~uint8](values []T, name func(T) string) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = name(v)
		if int(v) != i {
			panic("BUG: values are counted from 0")
		}
	}
	return all
}

// TestNumbersAgree: the kernels' enumerations have the values of the Go types whose
// names they bear.
func TestNumbersAgree(t *testing.T) {
	enums := enumerations(t)
	for name, want := range map[string][]string{
		"Func":          valueNames(backend.Funcs(), backend.Func.String),
		"BinaryFunc":    valueNames(backend.BinaryFuncs(), backend.BinaryFunc.String),
		"CompareFunc":   valueNames(backend.CompareFuncs(), backend.CompareFunc.String),
		"OptimizerRule": valueNames(backend.OptimizerRules(), backend.OptimizerRule.String),
		"PadMode":       {backend.PadZeros: "PadZeros", backend.PadReflect: "PadReflect", backend.PadEdge: "PadEdge"},
		"ResizeMode":    {backend.Nearest: "Nearest", backend.Bilinear: "Bilinear", backend.Area: "Area"},
	} {
		assert.Equal(t, want, enums[name], name)
	}
}

var enumeration = regexp.MustCompile(`(?s)enum (\w+) : int \{(.*?)\}`)

// enumerations reads those of all CUDA sources.
func enumerations(t *testing.T) map[string][]string {
	all := map[string][]string{}
	for _, pattern := range []string{"*.cu", "*.cuh"} {
		paths, err := filepath.Glob(filepath.Join("../../../kernels", pattern))
		require.NoError(t, err)
		for _, p := range paths {
			text, err := os.ReadFile(p)
			require.NoError(t, err)
			for _, m := range enumeration.FindAllStringSubmatch(string(text), -1) {
				all[m[1]] = append(all[m[1]], strings.FieldsFunc(m[2], func(r rune) bool { return strings.ContainsRune(", \n", r) })...)
			}
		}
	}
	return all
}
