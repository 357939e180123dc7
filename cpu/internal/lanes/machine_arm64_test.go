//go:build arm64 && !noasm

package lanes

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestEveryVariantIsThere makes a variant that is missing a failure: the other tests would pass without it.
func TestEveryVariantIsThere(t *testing.T) {
	var got []string
	for _, k := range Kernels() {
		got = append(got, k.Name())
	}
	assert.Equal(t, []string{"neon", "portable"}, got)
}
