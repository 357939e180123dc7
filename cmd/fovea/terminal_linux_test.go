package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openTerminal makes a pseudo-terminal; window is the side that a person has before
// them, and closing it closes the terminal.
func openTerminal(t *testing.T) (window, terminal *os.File) {
	t.Helper()
	window, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("cannot make a terminal here: ", err)
	}
	t.Cleanup(func() { _ = window.Close() })
	number, err := unix.IoctlGetInt(int(window.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(window.Fd()), unix.TIOCSPTLCK, 0))
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return window, terminal
}

// TestClosingTheTerminalSavesTheRun closes a real one, which also takes away the place
// that the run writes to.
func TestClosingTheTerminalSavesTheRun(t *testing.T) {
	t.Parallel()
	whole := t.TempDir()
	good(t, whole, long()...)

	dir := t.TempDir()
	window, terminal := openTerminal(t)
	cmd := command(t, dir, long()...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	require.NoError(t, terminal.Close())
	var seen bytes.Buffer
	for part := make([]byte, 4096); strings.Count(seen.String(), `"event":"epoch"`) < 2; {
		n, err := window.Read(part)
		require.NoError(t, err, "%s", seen.String())
		seen.Write(part[:n])
	}
	time.Sleep(20 * time.Millisecond) // into the next epoch
	require.NoError(t, window.Close())
	require.Error(t, cmd.Wait())
	assert.Equal(t, exitFailed, cmd.ProcessState.ExitCode(), "%v", cmd.ProcessState)

	o := good(t, dir, "train", "--resume", "run", "--json")
	left := strings.Count(o.stdout, `"event":"epoch"`)
	assert.True(t, 1 <= left && left <= 4, "%d epochs left of 6, of which 2 were done: it was to end at once, and to go on", left)
	requireSameModel(t, model(t, whole, "run"), model(t, dir, "run"))
}
