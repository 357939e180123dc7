// Command ptxbuild compiles the CUDA sources of package kernels to the PTX that is
// committed and embedded:
//
//	go run ./kernels/internal/ptxbuild -nvcc PATH [-all] [NAME.cu …]
//
// from the root of the repository, or simply make kernels. It compiles what is out of date
// (with -all everything) with the pinned nvcc, takes out what depends on the machine
// that compiled, lowers the PTX version to the lowest that the file needs, and
// writes a hash of all that went in at the top, so that a test without nvcc sees
// PTX that is out of date.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const folder = "kernels"

func main() {
	nvcc := flag.String("nvcc", "", "path of nvcc "+compiler)
	all := flag.Bool("all", false, "compile what is current, too")
	flag.Parse()
	if err := run(*nvcc, *all, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "ptxbuild:", err)
		os.Exit(1)
	}
}

func run(nvcc string, all bool, names []string) error {
	sources, err := sources(folder)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		if names, err = filepath.Glob(filepath.Join(folder, "*.cu")); err != nil {
			return err
		}
		if err := removeOrphans(sources); err != nil {
			return err
		}
	}
	b := builder{nvcc: nvcc}
	failed := 0
	for _, name := range names {
		s, ok := sources[filepath.Base(name)]
		if !ok {
			return fmt.Errorf("%s is no CUDA source of %s", name, folder)
		}
		if !all && s.stale() == nil {
			continue
		}
		// One broken source does not keep the others from being built.
		if err := b.build(s); err != nil {
			fmt.Fprintf(os.Stderr, "ptxbuild: %s: %v\n", s.path(), err)
			failed++
			continue
		}
		fmt.Println(s.ptx())
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d sources do not compile", failed, len(names))
	}
	return nil
}

// removeOrphans deletes PTX whose source is gone.
func removeOrphans(sources map[string]*source) error {
	orphans, err := orphans(folder, sources)
	if err != nil {
		return err
	}
	for _, path := range orphans {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// builder compiles with one nvcc, which it looks at before the first use.
type builder struct {
	nvcc    string
	checked bool
}

func (b *builder) build(s *source) error {
	if s.err != nil {
		return s.err
	}
	if err := b.check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ptxbuild")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	raw := filepath.Join(dir, "raw.ptx")
	args := append(s.flags(), "-ptx", s.path(), "-o", raw)
	if out, err := exec.Command(b.nvcc, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("nvcc: %w\n%s", err, out)
	}
	text, err := os.ReadFile(raw)
	if err != nil {
		return err
	}
	body, err := clean(string(text), s.dir)
	if err != nil {
		return err
	}
	if body, err = b.lowest(dir, s, body); err != nil {
		return err
	}
	head, err := s.header(body)
	if err != nil {
		return err
	}
	return os.WriteFile(s.ptx(), []byte(head+body), 0o644)
}

// check refuses an nvcc of another version: it would write other PTX.
func (b *builder) check() error {
	if b.checked {
		return nil
	}
	out, err := exec.Command(b.nvcc, "--version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("nvcc %q: %w\n%s", b.nvcc, err, out)
	}
	if !strings.Contains(string(out), "V"+compiler+"\n") {
		return fmt.Errorf("nvcc %q is not of version %s:\n%s", b.nvcc, compiler, out)
	}
	b.checked = true
	return nil
}

// lowest states the lowest PTX version that the file needs: the first one with
// which the assembler takes it. Drivers refuse versions younger than they are.
func (b *builder) lowest(dir string, s *source, body string) (string, error) {
	ptxas := filepath.Join(filepath.Dir(b.nvcc), "ptxas")
	try := filepath.Join(dir, "try.ptx")
	var out []byte
	for _, v := range versions {
		text := stated(body, v)
		if err := os.WriteFile(try, []byte(text), 0o644); err != nil {
			return "", err
		}
		var err error
		cmd := exec.Command(ptxas, "-O0", "-arch="+strings.Replace(s.target, "compute", "sm", 1), try, "-o", os.DevNull)
		if out, err = cmd.CombinedOutput(); err == nil {
			return text, nil
		}
	}
	return "", fmt.Errorf("ptxas takes it with none of the versions %v:\n%s", versions, out)
}
