//go:build cuda

package cuda

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/backend"
	"fovea/backend/backendtest"
	"fovea/cuda/driver"
)

// TestMain says what the tests run on, or plays a scenario in a process of its own.
func TestMain(m *testing.M) {
	if name := os.Getenv("FOVEA_TEST_SCENARIO"); name != "" {
		fmt.Println(outcome(scenarios[name]()))
		os.Exit(0)
	}
	devices, err := Devices()
	switch {
	case err != nil && os.Getenv("FOVEA_REQUIRE_CUDA") == "1":
		fmt.Println("FOVEA_REQUIRE_CUDA=1, but there is no GPU to test on:", err)
		os.Exit(1)
	case err != nil:
		fmt.Println("no GPU to test on:", err)
	default:
		kind := "driver"
		if driver.Simulated() {
			kind = "simulated driver"
		}
		v := driver.Version()
		fmt.Printf("%s %s, CUDA %d.%d, %s\n", kind, driver.Path(), v/1000, v%1000/10, devices[0].Device)
	}
	code := m.Run()
	if left := driver.Leaks(); code == 0 && left != nil {
		fmt.Println("backends were closed, and this was never freed:", strings.Join(left, "; "))
		code = 1
	}
	os.Exit(code)
}

// openBackend skips a test where there is no driver; TestMain has seen to it that
// there is one where there must be.
func openBackend(t testing.TB, name string) *device {
	t.Helper()
	if err := driver.Status(); err != nil {
		t.Skip(err)
	}
	b, err := backend.Open(name, backend.Options{})
	require.NoError(t, err)
	return b.(*device)
}

// closing opens a backend that is closed when the test ends.
func closing(t testing.TB, name string) *device {
	t.Helper()
	d := openBackend(t, name)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// TestConformance certifies both ways to compute convolutions. On a simulated driver
// scratch buffers are allocations of their own, so that it finds what strays from one
// into another; a part of the suite runs with all of them in one arena, where they
// take each other's place.
func TestConformance(t *testing.T) {
	for _, v := range variants {
		for _, arena := range []bool{false, true} {
			name := v.word
			if arena {
				name += " in an arena"
			}
			t.Run(name, func(t *testing.T) {
				config := backendtest.Config{Short: testing.Short() || arena}
				if arena {
					t.Setenv("FOVEA_CUDA_SEPARATE", "0")
				}
				backendtest.RunConfig(t, func(t testing.TB) backend.Backend { return openBackend(t, "cuda:0/"+v.word) }, config)
			})
		}
	}
}
