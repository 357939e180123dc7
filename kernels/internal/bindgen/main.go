// Command bindgen writes the Go side of the CUDA sources of package kernels: a
// function for every kernel that packs its arguments, the structs that kernels
// take by value, and the whole numbers that sources fix with constexpr, such as
// the threads of a block.
//
//	go run ./kernels/internal/bindgen
//
// from the root of the repository, or simply make kernels.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

const (
	folder = "kernels"
	output = "bindings_gen.go"
)

func main() {
	text, err := bindings(folder)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, output), text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bindgen:", err)
		os.Exit(1)
	}
}

// bindings returns the Go source for the CUDA sources of a folder.
func bindings(dir string) ([]byte, error) {
	u, err := parseFolder(dir)
	if err != nil {
		return nil, err
	}
	return u.generate()
}

func parseFolder(dir string) (*unit, error) {
	u := &unit{structs: map[string]*structure{}, constants: map[string]int{}}
	for _, pattern := range []string{"*.cuh", "*.cu"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, p := range paths {
			text, err := os.ReadFile(p)
			if err != nil {
				return nil, err
			}
			if err := u.parse(filepath.Base(p), string(text)); err != nil {
				return nil, fmt.Errorf("%s: %w", p, err)
			}
		}
	}
	return u, nil
}
