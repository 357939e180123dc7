package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHeaderAgainstNVIDIA compiles, for each NVIDIA header that is found, a C file that prints the value of every constant and the
// layout of every type of fovea's cuda.h, and one that checks every prototype against the versioned symbol.
func TestHeaderAgainstNVIDIA(t *testing.T) {
	for _, release := range []string{"11.8", "12.9", "13.0"} {
		t.Run(release, func(t *testing.T) {
			theirs, err := filepath.Glob("../../../include/.headers/" + release + "/nvidia/*/include/cuda.h")
			require.NoError(t, err)
			if len(theirs) == 0 {
				t.Skip("NVIDIA's header is not here: run make -C cuda/include headers")
			}
			compareHeader(t, release, filepath.Dir(theirs[0]))
		})
	}
}

// grown is the one constant that differs in later releases: a mask that covers more flags there. fovea does not use it.
const grown = "CU_CTX_FLAGS_MASK = "

// since12 lists the functions that release 11.8 does not declare.
var since12 = map[string]bool{"cuGraphAddKernelNode_v2": true}

var kernelNodeParams = regexp.MustCompile(`\bCUDA_KERNEL_NODE_PARAMS\b`)

func compareHeader(t *testing.T, release, include string) {
	ours, err := os.ReadFile(ourHeader)
	require.NoError(t, err)
	text := comment.ReplaceAllString(string(ours), "")

	facts := factsProgram(text)
	want, err := compileAndRun(t, filepath.Dir(ourHeader), facts)
	require.NoError(t, err, "fovea's cuda.h")
	// In later releases the plain name of this struct is that of its second version, with a function for each.
	versioned := func(program string) string {
		if release == "11.8" {
			return program
		}
		return kernelNodeParams.ReplaceAllString(program, "CUDA_KERNEL_NODE_PARAMS_v1")
	}
	got, err := compileAndRun(t, include, versioned(facts))
	require.NoError(t, err)
	theirs := lines(strings.ReplaceAll(got, "CUDA_KERNEL_NODE_PARAMS_v1", "CUDA_KERNEL_NODE_PARAMS"))
	require.Len(t, theirs, len(lines(want)))
	for i, line := range lines(want) {
		if release != "11.8" && strings.HasPrefix(line, grown) {
			continue
		}
		assert.Equal(t, theirs[i], line, "constant or layout")
	}

	functions, err := Parse(string(ours))
	require.NoError(t, err)
	program := "#define __CUDA_API_VERSION_INTERNAL // old versions, under their own names\n#include <cuda.h>\n"
	for _, f := range functions {
		if release == "11.8" && since12[f.Name] {
			continue
		}
		types := strings.Join(f.Types, ", ")
		if types == "" {
			types = "void"
		}
		program += fmt.Sprintf("_Static_assert(__builtin_types_compatible_p(__typeof__(%s), CUresult(%s)), %q);\n",
			f.Symbol, versioned(types), f.Symbol)
	}
	_, err = compileAndRun(t, include, program+"int main(void) { return 0; }\n")
	assert.NoError(t, err, "prototypes")

	if release == "11.8" {
		symbols := "#include <stdio.h>\n#include <cuda.h>\n#define STRING(x) #x\n#define NAME(x) STRING(x)\nint main(void) {\n"
		for _, f := range functions {
			symbols += fmt.Sprintf("puts(NAME(%s));\n", f.Name)
		}
		got, err := compileAndRun(t, include, symbols+"}\n")
		require.NoError(t, err)
		for i, name := range lines(got) {
			assert.Equal(t, name, functions[i].Symbol, "symbol version")
		}
	}
}

var (
	enumerator = regexp.MustCompile(`(?m)^  (CU\w+) = `)
	flag       = regexp.MustCompile(`(?m)^#define (CU_\w+) `)
	structure  = regexp.MustCompile(`(?s)typedef struct \w+ \{\n(.*?)\} (\w+);`)
	enum       = regexp.MustCompile(`typedef enum \w+ \{[^}]*\} (CU\w+);`)
	handleType = regexp.MustCompile(`typedef .*?\(?\*?(CU\w+|cuuint32_t)(\)\(\w[^)]*\))?;`)
	declarator = regexp.MustCompile(`\*?(\w+)(\[\d+\])?\s*[,;]`)
)

// factsProgram prints one line a constant, type and field.
func factsProgram(header string) string {
	var b strings.Builder
	b.WriteString("#include <stdio.h>\n#include <stddef.h>\n#include <cuda.h>\nint main(void) {\n")
	constants := append(enumerator.FindAllStringSubmatch(header, -1), flag.FindAllStringSubmatch(header, -1)...)
	for _, m := range constants {
		fmt.Fprintf(&b, "printf(\"%[1]s = %%ld\\n\", (long)%[1]s);\n", m[1])
	}
	for _, m := range enum.FindAllStringSubmatch(header, -1) {
		fmt.Fprintf(&b, "printf(\"%[1]s is %%zu, signed %%d\\n\", sizeof(%[1]s), (%[1]s)-1 < 0);\n", m[1])
	}
	for _, m := range handleType.FindAllStringSubmatch(header, -1) {
		fmt.Fprintf(&b, "printf(\"%[1]s is %%zu\\n\", sizeof(%[1]s));\n", m[1])
	}
	for _, m := range structure.FindAllStringSubmatch(header, -1) {
		fmt.Fprintf(&b, "printf(\"%[1]s is %%zu\\n\", sizeof(%[1]s));\n", m[2])
		for _, field := range declarator.FindAllStringSubmatch(m[1], -1) {
			fmt.Fprintf(&b, "printf(\"%[1]s.%[2]s at %%zu is %%zu\\n\", offsetof(%[1]s, %[2]s), sizeof(((%[1]s *)0)->%[2]s));\n",
				m[2], field[1])
		}
	}
	b.WriteString("}\n")
	return b.String()
}

func compileAndRun(t *testing.T, include, program string) (string, error) {
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "cc"
	}
	if _, err := exec.LookPath(compiler); err != nil {
		t.Skipf("no C compiler: %v", err)
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "facts.c"), filepath.Join(dir, "facts")
	require.NoError(t, os.WriteFile(source, []byte(program), 0o644))
	out, err := exec.Command(compiler, "-std=gnu11", "-I"+include, source, "-o", binary).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	out, err = exec.Command(binary).CombinedOutput()
	return string(out), err
}

func lines(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }
