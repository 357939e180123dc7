// Command gorgonia trains LeNet-5 and the VGG in Gorgonia, and answers how long a
// step takes. It is asked as the Python processes beside it are: see ../worker.py.
// It is a module of its own, so that fovea does not depend on Gorgonia.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// setting is the only way in which Gorgonia is measured.
const setting = "tape machine"

type request struct {
	Task    string  `json:"task"`
	Seconds float64 `json:"seconds"`
}

type answer struct {
	Seconds  map[string]float64 `json:"seconds"`
	Failures map[string]string  `json:"failures"`
}

func main() {
	var err error
	if len(os.Args) == 4 {
		err = once(os.Args[1], os.Args[3])
	} else {
		err = serve()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers requests until standard input ends.
func serve() error {
	trainers := map[string]*trainer{}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			return err
		}
		a := answer{Seconds: map[string]float64{}, Failures: map[string]string{}}
		if err := func() (err error) {
			if trainers[r.Task] == nil {
				if trainers[r.Task], err = newTrainerOf(r.Task); err != nil {
					return err
				}
			}
			a.Seconds[setting], err = timed(trainers[r.Task].step, r.Seconds)
			return err
		}(); err != nil {
			a.Failures[setting] = err.Error()
			delete(a.Seconds, setting)
		}
		if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
			return err
		}
	}
	return in.Err()
}

// timed returns the seconds that a step takes: the mean over about the given time,
// after a third of it for warming up.
func timed(step func() error, seconds float64) (float64, error) {
	run := func(enough func(steps int, elapsed float64) bool) (float64, error) {
		begin := time.Now()
		for steps := 1; ; steps++ {
			if err := step(); err != nil {
				return 0, err
			}
			if elapsed := time.Since(begin).Seconds(); enough(steps, elapsed) {
				return elapsed / float64(steps), nil
			}
		}
	}
	if _, err := run(func(steps int, elapsed float64) bool { return steps >= 2 && elapsed >= seconds/3 }); err != nil {
		return 0, err
	}
	return run(func(steps int, elapsed float64) bool { return steps >= 3 && elapsed >= seconds })
}

// once trains so many steps; it prints a line after the first one, and at the end
// the peak of its resident memory in KiB.
func once(task, steps string) error {
	n, err := strconv.Atoi(steps)
	if err != nil {
		return err
	}
	t, err := newTrainerOf(task)
	if err != nil {
		return err
	}
	for i := range n {
		if err := t.step(); err != nil {
			return err
		}
		if i == 0 {
			fmt.Println("first")
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return fmt.Errorf("/proc/self/status has no VmHWM")
	}
	fmt.Println(fields[0])
	return nil
}

// newTrainerOf makes the trainer of a task such as Training/vgg/64.
func newTrainerOf(task string) (*trainer, error) {
	parts := strings.Split(task, "/")
	if len(parts) != 3 || parts[0] != "Training" {
		return nil, fmt.Errorf("task %q: expected Training/NETWORK/BATCH", task)
	}
	batch, err := strconv.Atoi(parts[2])
	if err != nil {
		return nil, fmt.Errorf("task %q: %w", task, err)
	}
	return newTrainer(parts[1], batch)
}
