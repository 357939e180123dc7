package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const here = "../.."

func TestBindingsAreCurrent(t *testing.T) {
	want, err := bindings(here)
	require.NoError(t, err)
	have, err := os.ReadFile(filepath.Join(here, output))
	require.NoError(t, err)
	assert.Equal(t, string(want), string(have), "run make kernels")
}

const example = `
/* struct Hidden { */
constexpr int threads = 128;
struct Point {  // two numbers
  float x, y;
  template <int W>
  __device__ Vector<float, W> sum(float a, float b) const { if (a > b) { return {a}; } return {x + y}; }
};
struct Table {
  int rank;
  Point at[2][threads];
  const float* p;
};
extern "C" __global__ void __launch_bounds__(threads)
    sum(float* y, const float* __restrict__ x, const unsigned char *bytes, Table t, int n, unsigned seed, long long far) {
}
extern "C" __global__ __launch_bounds__(64, 2) void none(int a) {}
`

func TestParse(t *testing.T) {
	u := &unit{structs: map[string]*structure{}, constants: map[string]int{}}
	require.NoError(t, u.parse("a.cu", example))
	require.Len(t, u.kernels, 2)
	k := u.kernels[0]
	assert.Equal(t, "sum", k.name)
	assert.Equal(t, "a", k.file)
	assert.Equal(t, 128, k.threads)
	assert.Equal(t, []field{
		{name: "y", typ: "*"}, {name: "x", typ: "*"}, {name: "bytes", typ: "*"}, {name: "t", typ: "Table"},
		{name: "n", typ: "int"}, {name: "seed", typ: "unsigned"}, {name: "far", typ: "long long"},
	}, k.params)
	size, align := u.layout("Table")
	assert.Equal(t, 4+2*128*8+4+8, size)
	assert.Equal(t, 8, align)
	size, _ = u.end(k.params)
	assert.Equal(t, 3*8+(4+2*128*8+4+8)+4+4+8, size)
	assert.Equal(t, 64, u.kernels[1].threads)
	text, err := u.generate()
	require.NoError(t, err)
	assert.Contains(t, string(text), "func Sum(y, x, bytes Pointer, t Table, n int32, seed uint32, far int64) Call {")
	assert.Contains(t, string(text), "At   [2][128]Point")
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, message string }{
		{`extern "C" __global__ void f(short x) {`, "short"},
		{`extern "C" __global__ void f(int type) {`, "keyword"},
		{`extern "C" __global__ void f(float x[3]) {`, "array"},
		{`extern "C" __global__ void f(Nothing x) {`, "Nothing"},
		{`extern "C" __global__ int f(int x) {`, "expected extern"},
		{`extern "C" __global__ void f(int) {`, "no parameter"},
		{`extern "C" __global__ void __launch_bounds__(many) f(int x) {`, "many"},
		{"struct S {\n short x;\n};\nextern \"C\" __global__ void f(S x) {", "short"},
		{"struct S {\n int x;\n", "no end"},
		{"struct S {\n};\nstruct S {\n};\nextern \"C\" __global__ void f(S x) {", "twice"},
		{"constexpr int a = 1;\nconstexpr int a = 2;", "twice"},
		{"constexpr int a = 99999999999999999999;", "range"},
	} {
		u := &unit{structs: map[string]*structure{}, constants: map[string]int{}}
		assert.ErrorContains(t, u.parse("a.cu", c.text), c.message, c.text)
	}
	u := &unit{structs: map[string]*structure{}, constants: map[string]int{}}
	require.NoError(t, u.parse("a.cu", `extern "C" __global__ void f(int x) {}`))
	require.NoError(t, u.parse("b.cu", `extern "C" __global__ void f(int x) {}`))
	_, err := u.generate()
	assert.ErrorContains(t, err, "in a.cu and in b.cu")
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Fuzz(func(t *testing.T, text string) {
		u := &unit{structs: map[string]*structure{}, constants: map[string]int{}}
		_ = u.parse("a.cu", text) // whatever it is, it comes to an end
	})
}

var (
	entry = regexp.MustCompile(`(?s)\.visible \.entry (\w+)\(\n(.*?)\n\)\n(?:\.maxntid (\d+), 1, 1)?`)
	param = regexp.MustCompile(`\.param (?:\.align (\d+) )?\.(?:u|s|b|f)(\d+) \w+(?:\[(\d+)\])?`)
)

// TestCompilerAgrees compares what the bindings pack with what the compiler
// expects: the kernels of each file, the size of their arguments, their threads.
func TestCompilerAgrees(t *testing.T) {
	u, err := parseFolder(here)
	require.NoError(t, err)
	byName := map[string]*kernel{}
	for _, k := range u.kernels {
		byName[k.name] = k
	}
	paths, err := filepath.Glob(filepath.Join(here, "ptx", "*.ptx"))
	require.NoError(t, err)
	for _, p := range paths {
		text, err := os.ReadFile(p)
		require.NoError(t, err)
		for _, e := range entry.FindAllStringSubmatch(string(text), -1) {
			k := byName[e[1]]
			if !assert.NotNil(t, k, "%s of %s has no binding", e[1], p) {
				continue
			}
			delete(byName, e[1])
			assert.Equal(t, filepath.Base(p), k.file+".ptx")
			end := 0
			var offsets []int
			for _, m := range param.FindAllStringSubmatch(e[2], -1) {
				size := number(t, m[2]) / 8
				align := size
				if m[1] != "" {
					align = number(t, m[1])
				}
				if m[3] != "" {
					size *= number(t, m[3])
				}
				end = (end + align - 1) / align * align
				offsets = append(offsets, end)
				end += size
			}
			var packed []int
			for i := range k.params {
				size, _ := u.end(k.params[:i+1])
				n, _ := u.layout(k.params[i].typ)
				packed = append(packed, size-n)
			}
			size, _ := u.end(k.params)
			assert.Equal(t, end, size, k.name)
			assert.Equal(t, offsets, packed, k.name)
			if k.threads > 0 {
				assert.Equal(t, strconv.Itoa(k.threads), e[3], k.name)
			}
		}
	}
	for name, k := range byName {
		assert.Fail(t, "not compiled", "%s of %s.cu", name, k.file)
	}
}

func number(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}
