package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	// compiler is the version of nvcc: later ones write PTX that the drivers of
	// their predecessors refuse.
	compiler = "13.0.88"
	// recipe changes when the same compiler output would be cleaned in another way.
	recipe = "1"
	// defaultTarget serves compute capability 7.5 and all that came later.
	defaultTarget = "compute_75"
)

// source is one .cu file.
type source struct {
	dir    string
	name   string // with ending
	target string
	files  []string // the file itself and all that it includes, sorted
	err    error    // a file that cannot be read, which stale and build report
}

var (
	include = regexp.MustCompile(`(?m)^\s*#\s*include\s*"([^"]+)"`)
	// A source for newer devices says so in a line of its own.
	targetLine = regexp.MustCompile(`(?m)^// target: (compute_[0-9]+a?)$`)
)

// sources finds the .cu files of a folder, by name.
func sources(dir string) (map[string]*source, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.cu"))
	if err != nil {
		return nil, err
	}
	all := map[string]*source{}
	for _, p := range paths {
		s := &source{dir: dir, name: filepath.Base(p), target: defaultTarget}
		s.err = s.collect(s.name)
		slices.Sort(s.files)
		text, err := os.ReadFile(p)
		if err != nil {
			return nil, err
		}
		if m := targetLine.FindSubmatch(text); m != nil {
			s.target = string(m[1])
		}
		all[s.name] = s
	}
	return all, nil
}

// collect adds a file and what it includes.
func (s *source) collect(name string) error {
	if slices.Contains(s.files, name) {
		return nil
	}
	s.files = append(s.files, name)
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	for _, m := range include.FindAllSubmatch(text, -1) {
		if err := s.collect(string(m[1])); err != nil {
			return err
		}
	}
	return nil
}

func (s *source) path() string { return filepath.Join(s.dir, s.name) }

func (s *source) ptx() string {
	return filepath.Join(s.dir, "ptx", strings.TrimSuffix(s.name, ".cu")+".ptx")
}

// flags: products and sums contract to fused multiply-adds, which is nvcc's
// default; there is no fast math.
func (s *source) flags() []string {
	return []string{"-arch=" + s.target, "-O3", "-lineinfo", "-std=c++17"}
}

// hash is over everything that the PTX depends on.
func (s *source) hash() (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "nvcc %s, recipe %s, %s\n", compiler, recipe, strings.Join(s.flags(), " "))
	for _, name := range s.files {
		text, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", name, len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// header is the head comment of the PTX of this source.
func (s *source) header(body string) (string, error) {
	hash, err := s.hash()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "// Made by make kernels from kernels/%s with nvcc %s. Do not edit.\n", s.name, compiler)
	fmt.Fprintf(&b, "// flags: %s\n", strings.Join(s.flags(), " "))
	fmt.Fprintf(&b, "// sources: %s\n", hash)
	fmt.Fprintf(&b, "// text: %s\n", digest(body))
	return b.String(), nil
}

func digest(text string) string {
	h := sha256.New()
	io.WriteString(h, text) //nolint:errcheck // a hash's Write never fails
	return hex.EncodeToString(h.Sum(nil))
}

// stale explains why the committed PTX is not what this source makes; it is nil
// if it is.
func (s *source) stale() error {
	if s.err != nil {
		return s.err
	}
	text, err := os.ReadFile(s.ptx())
	if err != nil {
		return err
	}
	_, body, found := strings.Cut(string(text), "\n// text: ")
	if found {
		_, body, found = strings.Cut(body, "\n")
	}
	if !found {
		return fmt.Errorf("%s has no head comment", s.ptx())
	}
	want, err := s.header(body)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(text), want) {
		return fmt.Errorf("%s is out of date or was edited, run make kernels: it begins\n%s, expected\n%s", s.ptx(), text[:min(len(text), len(want))], want)
	}
	return nil
}

// orphans lists PTX files without a source.
func orphans(dir string, sources map[string]*source) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "ptx", "*"))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(paths, func(p string) bool {
		name, ok := strings.CutSuffix(filepath.Base(p), ".ptx")
		_, known := sources[name+".cu"]
		return ok && known
	}), nil
}
