// Command fovea trains convolutional networks on images, measures them, and lets
// them look at pictures.
//
//	fovea train                                train LeNet-5 on the embedded digits
//	fovea eval runs/digits-lenet5-1            measure it on data it has not seen
//	fovea predict runs/digits-lenet5-1 7.png   let it look at a picture
//	fovea profile runs/digits-lenet5-1         see where the time goes
//
// It exits with 0 when all went well, 1 when something failed or was interrupted, and
// 2 when it was called wrongly. Ctrl-C, SIGTERM and a terminal that is closed end it in
// order; a second Ctrl-C or SIGTERM kills it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"fovea/backend"
	_ "fovea/backend/reference" // the backend "reference"
	_ "fovea/cpu"               // the backend "cpu"
	"fovea/data"
)

func main() {
	ctx, stop := interruptible(context.Background())
	// The first signal asks for an orderly end; with the handler gone, a second one kills.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// interruptible returns a context that ends with the first signal that asks the process
// to, and what makes Ctrl-C and SIGTERM kill again.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	if !signal.Ignored(syscall.SIGHUP) { // else nohup wants the run to outlive the terminal
		// Never undone: a terminal that is closed sends several, its own and its shell's,
		// and none may kill a run that is about to be saved. Windows has none, its
		// closing of a console is a SIGTERM.
		ctx, _ = signal.NotifyContext(ctx, syscall.SIGHUP)
	}
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}

// The exit codes.
const (
	exitGood   = 0
	exitFailed = 1
	exitMisuse = 2
)

// misuse is an error of the command line, not of the work it asks for.
type misuse struct{ error }

func (m misuse) Unwrap() error { return m.error }

func misusef(format string, args ...any) error { return misuse{fmt.Errorf(format, args...)} }

// misused marks the errors of a call that no state of the machine would have let pass.
func misused(err error) error {
	for _, mistake := range []error{backend.ErrUnknownBackend, data.ErrUnknown, data.ErrSpecification} {
		if errors.Is(err, mistake) {
			return misuse{err}
		}
	}
	return err
}

// run is the command as a function: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := &console{stdout: stdout, stderr: stderr, meter: newMeter()}
	root := newRoot(c)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if c.err != nil {
		err = errors.Join(err, fmt.Errorf("standard output: %w", c.err))
	}
	if err == nil {
		return exitGood
	}
	var m misuse
	code := exitFailed
	if !c.begun || errors.As(err, &m) {
		code = exitMisuse
	}
	c.json = c.json || slices.Contains(args, "--json")
	c.fail(err, code == exitMisuse)
	return code
}

func newRoot(c *console) *cobra.Command {
	root := &cobra.Command{
		Use:   "fovea",
		Short: "Train convolutional networks on images, measure them, and let them look at pictures",
		Example: `  fovea train                          train LeNet-5 on the embedded digits
  fovea eval runs/digits-lenet5-1      measure it on data it has not seen
  fovea data fetch mnist               get 70,000 more digits
  fovea train --data mnist             and train on them`,
		Version:           version(),
		SilenceErrors:     true, // run prints them
		SilenceUsage:      true,
		PersistentPreRun:  func(*cobra.Command, []string) { c.begun = true },
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	root.AddCommand(newTrain(c), newEval(c), newPredict(c), newProfile(c), newDevices(c), newData(c))
	return root
}

// version tells what was built: the module's version, or the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	return v + " " + info.GoVersion
}
