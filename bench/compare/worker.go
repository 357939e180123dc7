package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processSteps is how many steps the process of a Process task trains, as in fovea's benchmark.
const processSteps = 10

// command starts a competitor.
type command struct {
	args    []string
	environ []string
	folder  string
	log     string // file that gets what it says on standard error
}

func (c command) build(ctx context.Context, more ...string) (*exec.Cmd, *os.File, error) {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, err
	}
	args := append(slices.Clone(c.args), more...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stderr = c.folder, c.environ, log
	grouped(cmd)
	return cmd, log, nil
}

// grouped puts a command into a process group, which ends with the command's context.
func grouped(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
}

// worker is a competitor's process that stays. Between questions it is stopped, so
// that threads of its own cannot compete with what is measured meanwhile.
type worker struct {
	command
	seconds float64
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

type request struct {
	Task     string   `json:"task"`
	Seconds  float64  `json:"seconds"`
	Settings []string `json:"settings"`
}

type answer struct {
	Seconds  map[string]float64 `json:"seconds"`
	Failures map[string]string  `json:"failures"`
}

func (w *worker) start(ctx context.Context) (err error) {
	cmd, log, err := w.build(ctx)
	if err != nil {
		return err
	}
	defer log.Close()
	if w.in, err = cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	w.cmd, w.out = cmd, bufio.NewReader(out)
	return cmd.Start()
}

// measure asks for the time of a task with some settings, or with all.
func (w *worker) measure(ctx context.Context, t task, settings []string) (measurement, error) {
	if w.cmd == nil {
		if err := w.start(ctx); err != nil {
			return nil, err
		}
	} else if err := syscall.Kill(-w.cmd.Process.Pid, syscall.SIGCONT); err != nil {
		return nil, err
	}
	if settings == nil {
		settings = []string{}
	}
	if err := json.NewEncoder(w.in).Encode(request{t.name, w.seconds, settings}); err != nil {
		return nil, fmt.Errorf("%s ended: %w\n%s", strings.Join(w.args, " "), err, tail(w.log))
	}
	line, err := w.out.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("%s ended: %w\n%s", strings.Join(w.args, " "), err, tail(w.log))
	}
	if err := syscall.Kill(-w.cmd.Process.Pid, syscall.SIGSTOP); err != nil {
		return nil, err
	}
	return parseAnswer(t, line)
}

// parseAnswer reads what a worker says. That some settings fail is no error: not
// all versions have all of them.
func parseAnswer(t task, line []byte) (measurement, error) {
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return nil, fmt.Errorf("%s: answer %q: %w", t.name, line, err)
	}
	if len(a.Seconds) == 0 {
		return nil, fmt.Errorf("%s: every setting fails: %v", t.name, a.Failures)
	}
	m := measurement{}
	for setting, seconds := range a.Seconds {
		if seconds <= 0 {
			return nil, fmt.Errorf("%s: setting %q takes %g s", t.name, setting, seconds)
		}
		m[setting] = map[string]float64{metricSeconds: seconds}
	}
	return m, nil
}

// close ends the process.
func (w *worker) close() {
	if w.cmd != nil {
		_ = w.cmd.Cancel() // it may have ended by itself
		_ = w.cmd.Wait()
	}
}

// once measures a process that trains from nothing, with a setting: the time to its
// first step, and the peak of its resident memory without data.
func (c command) once(ctx context.Context, t task, setting string, data float64) (measurement, error) {
	training := "Training" + strings.TrimPrefix(t.name, "Process")
	cmd, log, err := c.build(ctx, training, setting, strconv.Itoa(processSteps))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	first := time.Since(start)
	lines.Scan()
	kib, parseErr := strconv.ParseFloat(lines.Text(), 64)
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %s: %w\n%s", t.name, c.args[0], err, tail(c.log))
	}
	if parseErr != nil {
		return nil, fmt.Errorf("%s: %s told no peak of memory: %w", t.name, c.args[0], parseErr)
	}
	return measurement{setting: {metricFirst: first.Seconds() * 1e3, metricPeak: kib/1024 - data}}, nil
}
