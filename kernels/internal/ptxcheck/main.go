// Command ptxcheck assembles all PTX of package kernels with every given ptxas, for every
// chip that it knows and the PTX is meant for. A kernel that spills registers or
// has a stack frame fails, and so does a table of registers and shared memory that
// differs from the committed one, which the newest ptxas makes.
//
//	go run ./kernels/internal/ptxcheck [-write] PTXAS…
//
// from the root of the repository, or simply make ptxas.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

const table = "kernels/ptxas.tsv"

// tabled are the chips whose figures are kept.
var tabled = []string{"sm_75", "sm_80", "sm_90", "sm_120"}

func main() {
	write := flag.Bool("write", false, "renew "+table)
	flag.Parse()
	if err := run(flag.Args(), *write); err != nil {
		fmt.Fprintln(os.Stderr, "ptxcheck:", err)
		os.Exit(1)
	}
}

func run(assemblers []string, write bool) error {
	if len(assemblers) == 0 {
		return errors.New("name at least one ptxas, the newest last")
	}
	files, err := filepath.Glob("kernels/ptx/*.ptx")
	if err != nil {
		return err
	}
	var jobs []job
	for i, path := range assemblers {
		a, err := newAssembler(path)
		if err != nil {
			return err
		}
		newest := i == len(assemblers)-1
		for _, f := range files {
			chips, err := a.chipsFor(f)
			if err != nil {
				return err
			}
			for _, c := range chips {
				jobs = append(jobs, job{a, f, c, newest && slices.Contains(tabled, c)})
			}
		}
	}
	usages, failed := assemble(jobs)
	text := format(usages)
	if write {
		// The table shows what does assemble, even where something fails.
		return errors.Join(failed, os.WriteFile(table, text, 0o644))
	}
	if failed != nil {
		return failed
	}
	fmt.Printf("%d PTX files assembled, %d times in all, without a spill or a stack frame\n", len(files), len(jobs))
	have, err := os.ReadFile(table)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, text) {
		return fmt.Errorf("%s differs from what %s says, run make ptxas-table:\n%s", table, assemblers[len(assemblers)-1], text)
	}
	return nil
}

// job assembles one file for one chip.
type job struct {
	assembler *assembler
	file      string
	chip      string
	kept      bool
}

// assemble does all jobs, and gathers every failure.
func assemble(jobs []job) ([]usage, error) {
	var (
		mu     sync.Mutex
		failed []error
		kept   []usage
		wait   sync.WaitGroup
	)
	queue := make(chan job)
	for range runtime.NumCPU() {
		wait.Go(func() {
			for j := range queue {
				us, err := j.assembler.assemble(j.file, j.chip)
				mu.Lock()
				if err != nil {
					failed = append(failed, err)
				}
				if j.kept {
					kept = append(kept, us...)
				}
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	wait.Wait()
	return kept, errors.Join(failed...)
}

// format makes the table: a line for each kernel, by name.
func format(usages []usage) []byte {
	byKernel := map[string]map[string]usage{}
	for _, u := range usages {
		if byKernel[u.kernel] == nil {
			byKernel[u.kernel] = map[string]usage{}
		}
		byKernel[u.kernel][u.chip] = u
	}
	names := make([]string, 0, len(byKernel))
	for n := range byKernel {
		names = append(names, n)
	}
	slices.Sort(names)
	var b bytes.Buffer
	fmt.Fprintf(&b, "kernel\tfile\tshared bytes\tregisters %s\n", strings.Join(tabled, "\t"))
	for _, n := range names {
		chips := byKernel[n]
		var file string
		shared := 0
		registers := make([]string, len(tabled))
		for i, c := range tabled {
			u, ok := chips[c]
			if !ok {
				registers[i] = "-"
				continue
			}
			file = u.file
			shared = max(shared, u.shared)
			registers[i] = fmt.Sprint(u.registers)
		}
		fmt.Fprintf(&b, "%s\t%s\t%d\t%s\n", n, file, shared, strings.Join(registers, "\t"))
	}
	return b.Bytes()
}
