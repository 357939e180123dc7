package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestGeneratedFilesAreCurrent writes all files anew and compares them to those in the repository, which must have no others.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	for name, files := range packages {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := generate(dir, name); err != nil {
			t.Fatal(err)
		}
		var current []string
		for file := range files {
			current = append(current, file+"_amd64.s", file+"_stubs_amd64.go")
		}
		if _, ok := neonPackages[name]; ok {
			current = append(current, "neon_arm64.s", "neon_stubs_arm64.go")
		}
		assembly := 0
		for _, file := range current {
			path := filepath.Join(name, file)
			if filepath.Ext(file) == ".s" {
				assembly++
			}
			want, err := os.ReadFile(filepath.Join(dir, path))
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join("..", path))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what asmgen writes: run go generate there", path)
			}
		}
		committed, err := filepath.Glob(filepath.Join("..", name, "*.s"))
		if err != nil {
			t.Fatal(err)
		}
		if len(committed) != assembly {
			t.Errorf("%s holds the assembly files %v, asmgen writes %d", name, committed, assembly)
		}
	}
}
