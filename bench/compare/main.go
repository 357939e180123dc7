// Command compare measures fovea beside PyTorch, ONNX Runtime, OpenBLAS and Gorgonia
// on this machine's CPU, in alternating rounds, and writes a table of medians and a
// plot of ratios. make bench-compare runs it; README.md says what is compared and how.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the command's flags.
type options struct {
	rounds  int
	only    *regexp.Regexp
	threads int
	skipped []string
	seconds float64
	out     string
	python  string
	debian  string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parseOptions(os.Args[1:])
	if err == nil {
		err = compare(ctx, o)
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "\ninterrupted: nothing was written")
		os.Exit(130)
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func parseOptions(args []string) (o options, err error) {
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 10, "how often everything is measured")
	only := f.String("only", ".", "measure the rows whose names match the regular `expression`")
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), "threads of every system")
	skip := f.String("skip", "", "leave out systems: `names` of "+strings.Join(competitors, ", ")+", with commas or spaces between")
	f.Float64Var(&o.seconds, "seconds", 0.2, "about how long a task is run in a round")
	f.StringVar(&o.out, "out", "", "the `folder` of results, bin/compare/results by default")
	f.StringVar(&o.python, "python", "", "Python with PyTorch, ONNX Runtime and NumPy, bin/compare/venv/bin/python by default")
	f.StringVar(&o.debian, "debian-python", "/usr/bin/python3", "Python with Debian's PyTorch 1.13")
	if err := f.Parse(args); err != nil {
		return o, flag.ErrHelp // the flag package has said why
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("argument %q: expected flags only", f.Arg(0))
	}
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	o.skipped = strings.FieldsFunc(*skip, func(r rune) bool { return r == ',' || r == ' ' })
	for _, name := range o.skipped {
		if !slices.Contains(competitors, name) {
			return o, fmt.Errorf("-skip: system %q is none of %s", name, strings.Join(competitors, ", "))
		}
	}
	switch {
	case o.rounds < 1:
		return o, fmt.Errorf("-rounds: found %d, expected 1 or more", o.rounds)
	case o.threads < 1 || o.threads > runtime.NumCPU():
		return o, fmt.Errorf("-threads: found %d, expected 1 to %d", o.threads, runtime.NumCPU())
	case !(o.seconds > 0 && o.seconds <= 60):
		return o, fmt.Errorf("-seconds: found %g, expected more than 0 and at most 60", o.seconds)
	}
	return o, nil
}

func compare(ctx context.Context, o options) error {
	p, err := newPlaces(o)
	if err != nil {
		return err
	}
	load := busy()
	if load > 0.5 {
		fmt.Fprintf(os.Stderr, "compare: the machine is not quiet (load %.1f): figures of this run are not to be quoted\n", load)
	}
	table, err := os.Open(filepath.Join(p.root, "bench", "layers.tsv"))
	if err != nil {
		return err
	}
	defer table.Close()
	layers, err := readLayers(table)
	if err != nil {
		return err
	}
	rows := slices.DeleteFunc(makeRows(layers, o.threads), func(r row) bool { return !o.only.MatchString(r.name) })
	if len(rows) == 0 {
		return fmt.Errorf("-only: no row matches %q", o.only)
	}
	tasks, systems := work(rows, o.skipped)
	needed := slices.DeleteFunc(slices.Clone(competitors), func(name string) bool {
		return !slices.ContainsFunc(tasks, func(t task) bool { return slices.Contains(systems[t], name) })
	})
	versions, err := p.check(ctx, needed)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "building what is measured")
	if err := p.prepare(ctx, needed); err != nil {
		return err
	}
	begin := time.Now()
	c := newComparison(p, o.seconds, os.Stderr)
	if err := c.run(ctx, tasks, systems, o.rounds); err != nil {
		return err
	}
	if o.out == "" {
		o.out = filepath.Join(p.build, "results")
	}
	about := describe(p, o, versions, load, time.Since(begin))
	if err := write(os.Stdout, o.out, about, evaluate(rows, c.samples), c.samples); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "\nresults:", o.out)
	return nil
}

// newPlaces finds the repository, which holds the current folder, and makes the
// folders that are written to.
func newPlaces(o options) (p places, err error) {
	if p.root, err = os.Getwd(); err != nil {
		return p, err
	}
	for {
		text, err := os.ReadFile(filepath.Join(p.root, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module fovea\n") {
			break
		}
		parent := filepath.Dir(p.root)
		if parent == p.root {
			return p, errors.New("the current folder lies outside of fovea's repository")
		}
		p.root = parent
	}
	p.build = filepath.Join(p.root, "bin", "compare")
	p.logs = filepath.Join(p.build, "logs")
	p.python, p.debian = o.python, o.debian
	if p.python == "" {
		p.python = filepath.Join(p.build, "venv", "bin", "python")
	}
	if err := os.RemoveAll(p.logs); err != nil {
		return p, err
	}
	return p, os.MkdirAll(p.logs, 0o755)
}

// busy returns how many processes ran on average in the last minute, 0 where the
// system does not tell.
func busy() (load float64) {
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(text), &load) // stays 0
	}
	return load
}

// describe tells what the figures are of, in the head lines of recorded results.
func describe(p places, o options, versions map[string]string, load float64, took time.Duration) string {
	var b strings.Builder
	add := func(key, format string, args ...any) { fmt.Fprintf(&b, "%s: %s\n", key, fmt.Sprintf(format, args...)) }
	output := func(name string, args ...string) string {
		c := exec.Command(name, args...)
		c.Dir = p.root
		out, err := c.Output()
		if err != nil {
			return "unknown"
		}
		return strings.TrimSpace(string(out))
	}
	add("date", "%s", time.Now().UTC().Format(time.DateOnly))
	add("commit", "%s", output("git", "describe", "--always", "--dirty"))
	add("go", "%s", output("go", "env", "GOVERSION"))
	add("device", "%s, %d processors", output("sed", "-n", "s/^model name[^:]*: //p;T;q", "/proc/cpuinfo"), runtime.NumCPU())
	add("system", "%s, load %.1f before", output("uname", "-srm"), load)
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		add(name, "%s", versions[name])
	}
	add("rounds", "%d, of %g s a task, on %d threads, in %d s", o.rounds, o.seconds, o.threads, int(took.Seconds()))
	add("rows", "%s", o.only)
	if len(o.skipped) > 0 {
		add("left out", "%s", strings.Join(o.skipped, ", "))
	}
	return b.String()
}

// write puts table, series and plot into a folder, and the table out.
func write(out io.Writer, folder, about string, lines []line, s *samples) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var text, table, series strings.Builder
	text.WriteString(about + "\n")
	if err := errors.Join(writeText(&text, lines), writeTSV(&table, lines), writeSeries(&series, s)); err != nil {
		return err
	}
	for name, content := range map[string]string{"table.txt": text.String(), "table.tsv": table.String(), "series.tsv": series.String()} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	if err := writePlot(filepath.Join(folder, "ratios.svg"), lines); err != nil {
		return err
	}
	_, err := io.WriteString(out, text.String())
	return err
}
