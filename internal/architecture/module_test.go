package architecture

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program matches a Go program of the README, which says at its end what it
// prints, as examples do.
var program = regexp.MustCompile("(?s)```go\n(package main\n.*?// Output: ([^\n]*)\n.*?)```")

// TestAnotherModuleUsesFovea builds and runs each program of the README in a
// module of its own, which finds fovea in this checkout as the README says.
func TestAnotherModuleUsesFovea(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs with the go command: run without -short")
	}
	top := root(t)
	readme, err := os.ReadFile(filepath.Join(top, "README.md"))
	require.NoError(t, err)
	programs := program.FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, programs, "README.md has no program that ends in // Output:")
	sums, err := os.ReadFile(filepath.Join(top, "go.sum"))
	require.NoError(t, err)
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	for _, p := range programs {
		dir := t.TempDir()
		write := func(name, text string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		}
		command := func(args ...string) string {
			c := exec.CommandContext(ctx, "go", args...)
			c.Dir = dir
			c.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false", "GOWORK=off")
			var log strings.Builder
			c.Stderr = &log
			out, err := c.Output()
			require.NoError(t, err, "go %s:\n%s", strings.Join(args, " "), &log)
			return strings.TrimSpace(string(out))
		}
		write("main.go", p[1])
		write("go.sum", string(sums)) // nothing new may be fetched
		command("mod", "init", "example.com/visitor")
		command("mod", "edit", "-require=fovea@v0.0.0", "-replace=fovea="+top)
		require.Equal(t, strings.TrimSpace(p[2]), command("run", "."))
	}
}
