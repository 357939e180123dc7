package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// benchmark is a line of a Go benchmark's output.
type benchmark struct {
	name    string // without "Benchmark" and the number of processors
	metrics map[string]float64
}

var processors = regexp.MustCompile(`-\d+$`)

// parseBenchmarks reads the output of a Go benchmark; lines of other kinds are skipped.
func parseBenchmarks(output string) (all []benchmark, err error) {
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if _, err := strconv.Atoi(fields[1]); err != nil {
			continue
		}
		b := benchmark{strings.TrimPrefix(processors.ReplaceAllString(fields[0], ""), "Benchmark"), map[string]float64{}}
		for i := 2; i < len(fields); i += 2 {
			if b.metrics[fields[i+1]], err = strconv.ParseFloat(fields[i], 64); err != nil {
				return nil, fmt.Errorf("benchmark %s: %w", b.name, err)
			}
		}
		all = append(all, b)
	}
	return all, nil
}

// pattern matches exactly the benchmark of a name, level by level.
func pattern(name string) string {
	levels := strings.Split(name, "/")
	for i, level := range levels {
		levels[i] = "^" + regexp.QuoteMeta(level) + "$"
	}
	levels[0] = "^Benchmark" + levels[0][1:]
	return strings.Join(levels, "/")
}

// program is a compiled test program with benchmarks.
type program struct {
	path    string
	folder  string
	environ []string
	seconds float64
}

// measure runs the benchmark of a task in a process of its own.
func (p program) measure(ctx context.Context, t task) (measurement, error) {
	benchtime := time.Duration(p.seconds * float64(time.Second)).String()
	if strings.HasPrefix(t.name, "Process/") {
		benchtime = "1x" // a process of that process
	}
	args := []string{"-test.run", "^$", "-test.bench", pattern(t.name), "-test.benchtime", benchtime}
	if t.name != "Peak" {
		args = append(args, "-threads", strconv.Itoa(t.threads))
	}
	c := exec.CommandContext(ctx, p.path, args...)
	c.Dir, c.Env = p.folder, p.environ
	grouped(c)
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s%s", t.name, err, out, &log)
	}
	all, err := parseBenchmarks(string(out))
	if err != nil {
		return nil, err
	}
	if t.name == "Peak" {
		return fastest(all)
	}
	for _, b := range all {
		if b.name == t.name {
			b.metrics[metricSeconds] = b.metrics["ns/op"] / 1e9
			return measurement{"": b.metrics}, nil
		}
	}
	return nil, fmt.Errorf("%s: fovea has no such benchmark", t.name)
}

// fastest returns the highest speed of several benchmarks: those of the micro-kernels
// of one machine.
func fastest(all []benchmark) (measurement, error) {
	speed := 0.0
	for _, b := range all {
		speed = max(speed, b.metrics[metricGFLOPs])
	}
	if speed == 0 {
		return nil, errors.New("the benchmark of the machine's peak told no GFLOP/s")
	}
	return measurement{"": {metricGFLOPs: speed}}, nil
}
