package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// comparison measures all tasks of a table in rounds.
type comparison struct {
	places
	seconds  float64
	progress io.Writer
	programs map[string]program
	workers  map[string]*worker // by system and number of threads
	samples  *samples
}

func newComparison(p places, seconds float64, progress io.Writer) *comparison {
	environ := clean(os.Environ())
	test := func(name, folder string) program {
		return program{path: filepath.Join(p.build, name+".test"), folder: filepath.Join(p.root, folder), environ: environ, seconds: seconds}
	}
	return &comparison{places: p, seconds: seconds, progress: progress, workers: map[string]*worker{}, samples: newSamples(),
		programs: map[string]program{fovea: test("bench", "bench"), portable: test("bench-noasm", "bench"), peak: test("gemm", "cpu/internal/gemm")}}
}

// run measures every task in every round. Within a task the systems follow each
// other, so that what slows the machine for a while slows all of them; each round
// begins with the next one.
func (c *comparison) run(ctx context.Context, tasks []task, systems map[task][]string, rounds int) error {
	defer func() {
		for _, w := range c.workers {
			w.close()
		}
	}()
	begin := time.Now()
	for round := range rounds {
		for _, t := range tasks {
			fmt.Fprintf(c.progress, "\rround %d of %d, %3.0f s, %-60s", round+1, rounds, time.Since(begin).Seconds(), t.name+numbered(t.threads))
			order := systems[t]
			first := round % len(order)
			for _, name := range slices.Concat(order[first:], order[:first]) {
				m, err := c.measure(ctx, t, name, round)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				c.samples.add(t, name, m)
			}
		}
	}
	fmt.Fprintf(c.progress, "\r%-90s\r", "")
	return nil
}

func (c *comparison) measure(ctx context.Context, t task, name string, round int) (measurement, error) {
	if p, own := c.programs[name]; own {
		return p.measure(ctx, t)
	}
	if strings.HasPrefix(t.name, "Process/") {
		return c.command(name, t.threads, false).once(ctx, t, leanest[name], imagesMiB[t.name])
	}
	key := fmt.Sprint(name, t.threads)
	if c.workers[key] == nil {
		c.workers[key] = &worker{command: c.command(name, t.threads, true), seconds: c.seconds}
	}
	var settings []string
	if round >= settleRounds {
		settings = c.samples.settled(t, name)
	}
	return c.workers[key].measure(ctx, t, settings)
}

// leanest is the setting in which a process that trains takes the least memory and
// has its first step earliest.
var leanest = map[string]string{torch: "channels_last single eager", torch113: "channels_last single eager", gorgonia: "tape machine"}

// imagesMiB is what the images of a batch take, which a process's memory is counted without.
var imagesMiB = map[string]float64{"Process/lenet5/64": 64 * 28 * 28 * 4.0 / (1 << 20), "Process/vgg/64": 64 * 32 * 32 * 3 * 4.0 / (1 << 20)}
