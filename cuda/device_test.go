//go:build cuda

package cuda

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/cuda/internal/lower"
)

func TestParse(t *testing.T) {
	for name, want := range map[string]choice{
		"": {}, "0": {}, "3": {ordinal: 3}, "1/explicit": {1, lower.Explicit}, "0/implicit": {}, "/explicit": {0, lower.Explicit},
	} {
		got, err := parse(name)
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
	}
	for _, name := range []string{"x", "-1", "+1", "1.5", "0x0", "70000", "0/", "0/fast", "0/explicit/explicit", "0:1", " 0"} {
		_, err := parse(name)
		assert.ErrorIs(t, err, backend.ErrUnknownBackend, name)
		_, err = backend.Open("cuda:"+name, backend.Options{})
		require.ErrorIs(t, err, backend.ErrUnknownBackend, name)
		assert.ErrorContains(t, err, `Open "cuda:`+name)
	}
}

func TestOpen(t *testing.T) {
	for _, name := range []string{"cuda", "cuda:0", "cuda:0/implicit", "auto"} {
		assert.Equal(t, "cuda:0", closing(t, name).Info().Name)
	}
	d := closing(t, "cuda:0/explicit")
	assert.Equal(t, "cuda:0/explicit", d.Info().Name)
	assert.Equal(t, lower.Explicit, d.lower.Variant)
	infos, err := Devices()
	require.NoError(t, err)
	assert.Equal(t, infos[0].Device, d.Info().Device)
	_, err = backend.Open("cuda:65535", backend.Options{})
	require.ErrorIs(t, err, backend.ErrUnsupported)
}

func TestSize(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 3 << 19: "1.5 MiB", 80 << 30: "80.0 GiB"} {
		assert.Equal(t, want, size(bytes))
	}
}
