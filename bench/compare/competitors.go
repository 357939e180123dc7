package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// places are the folders and interpreters of a comparison.
type places struct {
	root   string // of the repository
	build  string // what is built and fetched: bin/compare
	logs   string
	python string // of the virtual environment with PyTorch, ONNX Runtime and NumPy
	debian string // Debian's Python, which python3-torch is for
}

func (p places) scripts() string  { return filepath.Join(p.root, "bench", "compare") }
func (p places) models() string   { return filepath.Join(p.build, "models") }
func (p places) openBLAS() string { return filepath.Join(p.build, "openblas") }

// settingPrefixes begin the names of environment variables that would change how a
// system computes; the caller's are not passed on.
var settingPrefixes = []string{"OMP_", "KMP_", "GOMP_", "MKL_", "DNNL_", "ONEDNN_", "OPENBLAS_", "GOTO_", "BLIS_", "MALLOC_", "GLIBC_", "ORT_", "TORCH",
	"LD_PRELOAD", "GOMAXPROCS", "GOGC", "GODEBUG", "GOMEMLIMIT", "FOVEA_", "PYTHON", "VIRTUAL_ENV"}

// clean returns an environment without such variables, and with others added.
func clean(environ []string, added ...string) []string {
	kept := slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		return slices.ContainsFunc(settingPrefixes, func(prefix string) bool { return strings.HasPrefix(variable, prefix) })
	})
	return append(kept, added...)
}

// environment is a competitor's at its best. Memory that is freed stays with the
// process for its next step, unless its memory is what is measured. How long idle
// threads of OpenMP wait is left to the library, which keeps them spinning for
// about a millisecond: long enough between two Ops.
func (p places) environment(system string, threads int, keepMemory bool) []string {
	n := strconv.Itoa(threads)
	added := []string{"OMP_NUM_THREADS=" + n, "MKL_NUM_THREADS=" + n, "OPENBLAS_NUM_THREADS=" + n, "GOMAXPROCS=" + n,
		"CUDA_VISIBLE_DEVICES=", "PYTHONDONTWRITEBYTECODE=1", "MODELS=" + p.models(),
		"TORCHINDUCTOR_CACHE_DIR=" + filepath.Join(p.build, "inductor")}
	if keepMemory {
		added = append(added, "MALLOC_TOP_PAD_=1000000000", "MALLOC_MMAP_THRESHOLD_=1000000000", "MALLOC_TRIM_THRESHOLD_=4000000000")
	}
	if system == torch113 {
		added = append(added, "LD_LIBRARY_PATH="+p.openBLAS())
	}
	return clean(os.Environ(), added...)
}

// command starts a competitor.
func (p places) command(system string, threads int, keepMemory bool) command {
	script := map[string]string{torch: "worker_torch.py", torch113: "worker_torch.py", ort: "worker_onnx.py", numpy: "worker_numpy.py"}[system]
	args := []string{p.python, script}
	switch system {
	case torch113:
		args[0] = p.debian
	case gorgonia:
		args = []string{filepath.Join(p.build, "gorgonia")}
	}
	return command{args: args, environ: p.environment(system, threads, keepMemory), folder: p.scripts(), log: filepath.Join(p.logs, system+".txt")}
}

// probes tell how to find a competitor's version, and what to do where there is none.
var probes = map[string]struct{ code, remedy string }{
	torch:    {"import torch; print(torch.__version__)", "pip install -r bench/compare/requirements.txt in the virtual environment that VENV names"},
	torch113: {"import torch; print(torch.__version__)", "apt-get install python3-torch, whose Python DEBIAN_PYTHON names"},
	ort:      {"import onnxruntime; print(onnxruntime.__version__)", "pip install -r bench/compare/requirements.txt in the virtual environment that VENV names"},
	numpy:    {"import numpy; print(numpy.__version__)", "pip install -r bench/compare/requirements.txt in the virtual environment that VENV names"},
}

// check finds the version of every competitor; a missing one is an error that says
// how to install it.
func (p places) check(ctx context.Context, systems []string) (versions map[string]string, err error) {
	versions = map[string]string{}
	var missing []error
	for _, system := range systems {
		probe, found := probes[system]
		if !found {
			continue // built, not found
		}
		c := p.command(system, 1, false)
		cmd := exec.CommandContext(ctx, c.args[0], "-c", probe.code)
		cmd.Env, cmd.Dir = c.environ, p.build
		grouped(cmd)
		out, err := cmd.Output()
		version := strings.TrimSpace(string(out))
		if err == nil && system == torch113 {
			err = p.checkDebian(version)
		}
		if err != nil {
			missing = append(missing, fmt.Errorf("%s is missing (%s: %w): %s, or leave it out with SKIP=%s", system, c.args[0], err, probe.remedy, system))
			continue
		}
		versions[system] = version
	}
	return versions, errors.Join(missing...)
}

// checkDebian refuses another PyTorch than Debian's, and one that would do its
// matrix products in the reference BLAS, which is several times as slow.
func (p places) checkDebian(version string) error {
	if !strings.HasPrefix(version, "1.13") {
		return fmt.Errorf("it has PyTorch %s, expected 1.13", version)
	}
	if _, err := os.Stat(filepath.Join(p.openBLAS(), "libblas.so.3")); err != nil {
		return fmt.Errorf("OpenBLAS for it: %w: run make bench-compare, which fetches Debian's libopenblas0-openmp", err)
	}
	return nil
}

// steps returns the commands that build what is measured.
func (p places) steps(systems []string) []command {
	goBuild := func(folder string, args ...string) command {
		return command{args: append([]string{"go"}, args...), environ: clean(os.Environ()), folder: folder, log: filepath.Join(p.logs, "build.txt")}
	}
	steps := []command{
		goBuild(p.root, "test", "-c", "-o", filepath.Join(p.build, "bench.test"), "./bench"),
		goBuild(p.root, "test", "-c", "-tags", "noasm", "-o", filepath.Join(p.build, "bench-noasm.test"), "./bench"),
		goBuild(p.root, "test", "-c", "-o", filepath.Join(p.build, "gemm.test"), "./cpu/internal/gemm"),
	}
	if slices.Contains(systems, gorgonia) {
		steps = append(steps, goBuild(filepath.Join(p.scripts(), "gorgonia"), "build", "-tags", "avx", "-o", filepath.Join(p.build, "gorgonia"), "."))
	}
	if slices.Contains(systems, ort) {
		export := p.command(ort, 1, false)
		export.args = []string{p.python, "export_onnx.py", p.models()}
		steps = append(steps, export)
	}
	return steps
}

// prepare builds what is measured.
func (p places) prepare(ctx context.Context, systems []string) error {
	for _, step := range p.steps(systems) {
		cmd, log, err := step.build(ctx)
		if err != nil {
			return err
		}
		cmd.Stdout = log
		err = errors.Join(cmd.Run(), log.Close())
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(step.args, " "), err, tail(step.log))
		}
	}
	return nil
}

// tail returns the end of a log.
func tail(log string) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
