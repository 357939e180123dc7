package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// assembler is one ptxas.
type assembler struct {
	path  string
	chips []string // sm_75 and so on, without those that are for one chip alone
	exact []string // sm_90a
}

var (
	chipName   = regexp.MustCompile(`'(sm_\d+)(a?)'`)
	targetLine = regexp.MustCompile(`(?m)^\.target (sm_(\d+)(a?))$`)
)

func newAssembler(path string) (*assembler, error) {
	out, err := exec.Command(path, "--help").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s --help: %w", path, err)
	}
	a := &assembler{path: path}
	a.chips, a.exact = chips(string(out))
	if len(a.chips) == 0 {
		return nil, fmt.Errorf("%s --help names no chip", path)
	}
	return a, nil
}

// chips finds in ptxas's help the chips that it knows.
func chips(help string) (plain, exact []string) {
	for _, m := range chipName.FindAllStringSubmatch(help, -1) {
		list := &plain
		if m[2] != "" {
			list = &exact
		}
		if name := m[1] + m[2]; !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	return plain, exact
}

// chipsFor lists the chips that the assembler knows and that a file is meant for:
// those from its target on, or the target alone if that is not forward
// compatible.
func (a *assembler) chipsFor(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m := targetLine.FindStringSubmatch(string(text))
	if m == nil {
		return nil, fmt.Errorf("%s names no target", file)
	}
	if m[3] != "" {
		return slices.DeleteFunc(slices.Clone(a.exact), func(c string) bool { return c != m[1] }), nil
	}
	least, err := strconv.Atoi(m[2])
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(a.chips), func(c string) bool {
		n, err := strconv.Atoi(c[len("sm_"):])
		return err != nil || n < least
	}), nil
}

// usage is what one kernel takes on one chip.
type usage struct {
	kernel, file, chip       string
	registers, shared        int // shared memory in bytes, without what is dynamic
	stack, spilled, reloaded int // bytes
}

var (
	entryLine  = regexp.MustCompile(`Compiling entry function '(\w+)' for`)
	stackLine  = regexp.MustCompile(`(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads`)
	usedLine   = regexp.MustCompile(`Used (\d+) registers`)
	sharedPart = regexp.MustCompile(`(\d+)(?:\+\d+)? bytes smem`)
	line       = regexp.MustCompile(`[^\n]+`)
)

// parse reads what ptxas -v writes.
func parse(report string) ([]usage, error) {
	var all []usage
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			return -1 // too long for a number: more than any kernel may have
		}
		return n
	}
	for _, text := range line.FindAllString(report, -1) {
		if m := entryLine.FindStringSubmatch(text); m != nil {
			all = append(all, usage{kernel: m[1]})
		}
		if len(all) == 0 {
			continue
		}
		u := &all[len(all)-1]
		if m := stackLine.FindStringSubmatch(text); m != nil {
			u.stack, u.spilled, u.reloaded = number(m[1]), number(m[2]), number(m[3])
		}
		if m := usedLine.FindStringSubmatch(text); m != nil {
			u.registers = number(m[1])
			if m := sharedPart.FindStringSubmatch(text); m != nil {
				u.shared = number(m[1])
			}
		}
	}
	for _, u := range all {
		if u.registers == 0 {
			return nil, fmt.Errorf("ptxas tells nothing of %s", u.kernel)
		}
	}
	return all, nil
}

// assemble returns what the kernels of a file take on a chip. A spill or a stack
// frame is an error.
func (a *assembler) assemble(file, chip string) ([]usage, error) {
	out, err := exec.Command(a.path, "-v", "-arch="+chip, file, "-o", os.DevNull).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s -arch=%s %s: %w\n%s", a.path, chip, file, err, out)
	}
	all, err := parse(string(out))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var failed []error
	for i := range all {
		u := &all[i]
		u.file, u.chip = filepath.Base(file), chip
		if u.stack != 0 || u.spilled != 0 || u.reloaded != 0 {
			failed = append(failed, fmt.Errorf("%s: %s on %s with %s: %d bytes of stack, %d spilled and %d reloaded, expected none",
				file, u.kernel, chip, a.path, u.stack, u.spilled, u.reloaded))
		}
	}
	return all, errors.Join(failed...)
}
