//go:build cuda && linux && (amd64 || arm64)

package driver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A driver is chosen once in a process, and a fault spoils it: what needs one of its own runs in a second process of this test binary.
// A scenario prints what it sees; its error is printed with the Err values that it wraps, as [out of device memory].
var scenarios = map[string]func() error{}

func TestMain(m *testing.M) {
	if name := os.Getenv("FOVEA_TEST_SCENARIO"); name != "" {
		fmt.Println(outcome(scenarios[name]()))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func outcome(err error) string {
	if err == nil {
		return "ended well"
	}
	s := "error: " + err.Error()
	for _, sentinel := range []error{ErrNoDriver, ErrDriverTooOld, ErrNoDevice, ErrInUse, ErrClosed, ErrOutOfMemory, ErrModule, ErrNotFound,
		ErrNotSupported, ErrInvalid, ErrLaunch, ErrIllegalAddress, ErrDeviceLost} {
		if errors.Is(err, sentinel) {
			s += fmt.Sprintf(" [%v]", sentinel)
		}
	}
	return s
}

// play runs a scenario with environment variables, and returns what it wrote.
func play(t *testing.T, name string, environment ...string) string {
	t.Helper()
	require.Contains(t, scenarios, name)
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self)
	c.Env = append(append(os.Environ(), "FOVEA_TEST_SCENARIO="+name, "GORACE=atexit_sleep_ms=0"), environment...)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// playSimulated runs a scenario on the simulated driver.
func playSimulated(t *testing.T, name string, environment ...string) string {
	t.Helper()
	return play(t, name, append([]string{"FOVEA_CUDA_DRIVER=" + simulated(t)}, environment...)...)
}

// simulated returns the path of the simulated driver.
func simulated(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../sim/build/libcuda.so.1")
	require.NoError(t, err)
	if other := os.Getenv("FOVEA_CUDA_DRIVER"); strings.Contains(other, "sim") {
		path = other
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("the simulated driver is not built: run make -C cuda/sim")
	}
	return path
}

// open opens the first device of whatever driver there is: a real one, or the one that FOVEA_CUDA_DRIVER names.
func open(t *testing.T) *Context {
	t.Helper()
	if err := Status(); err != nil {
		if os.Getenv("FOVEA_REQUIRE_CUDA") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	c, err := Open(0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// must is for scenarios, where a failure that is not the point ends the process with its words.
func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Println("unexpected", outcome(err))
		os.Exit(1)
	}
}

func vectorPTX() []byte { return must(os.ReadFile("testdata/vector.ptx")) }
