package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/internal/safetensors"
)

// file puts a file together from a header and data.
func file(header, data string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

// entry is the header of a file with one tensor.
func entry(dtype, shape, offsets string) string {
	return `{"x":{"dtype":"` + dtype + `","shape":` + shape + `,"data_offsets":` + offsets + `}}`
}

const eight = "01234567"

// length returns the prefix that claims a header of n bytes.
func length(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

var malformed = []struct {
	name    string
	content []byte
	want    string // in the error, after "safetensors: FILE: "
}{
	{"empty file", nil, "truncated: 0 bytes"},
	{"no header length", []byte("1234567"), "truncated: 7 bytes"},
	{"no header", length(2), "truncated: header of 2 bytes, but only 0 follow"},
	{"half a header", file(`{}`, "")[:9], "truncated: header of 2 bytes, but only 1 follow"},
	{"header over the limit", length(100_000_001), "header: claims 100000001 bytes"},
	{"header of 2⁶⁴−1 bytes", append(length(1<<64-1), "{}"...), "header: claims 18446744073709551615 bytes"},
	{"header of 2⁶³ bytes", append(length(1<<63), "{}"...), "header: claims 9223372036854775808 bytes"},
	{"header of no bytes", file("", ""), "header: does not begin with '{'"},
	{"space first", file(" {}", ""), "header: does not begin with '{'"},
	{"array", file("[]", ""), "header: does not begin with '{'"},
	{"byte order mark", file("\ufeff{}", ""), "header: does not begin with '{'"},
	{"not UTF-8", file("{\"\xff\":1}", ""), "header: not UTF-8"},
	{"unclosed", file(`{`, ""), "header: ends at byte 1, want a string"},
	{"unclosed after a space", file(`{ `, ""), "header: ends at byte 2, want a string"},
	{"after the end", file(`{}x`, ""), "header: 'x' at byte 2, want nothing but spaces"},
	{"NUL after the end", file("{}\x00", ""), `header: '\x00' at byte 2`},
	{"second object", file(`{}{}`, ""), "header: '{' at byte 2"},
	{"trailing comma", file(`{"__metadata__":{},}`, ""), "header: '}' at byte 19, want a string"},
	{"no colon", file(`{"x" 1}`, ""), "header: '1' at byte 5, want ':'"},
	{"no comma", file(`{"__metadata__":{}"x"}`, ""), "want ',' or '}'"},
	{"name without quotes", file(`{x:1}`, ""), "header: 'x' at byte 1, want a string"},
	{"name without end", file(`{"x`, ""), "header: string at byte 1 does not end"},
	{"name ends in a backslash", file(`{"x\`, ""), "header: bad escape sequence at byte 3"},
	{"line break in a name", file("{\"x\n\":1}", ""), "header: control character 0x0a in the string at byte 1"},
	{"bad escape", file(`{"\x":1}`, ""), "header: bad escape sequence at byte 2"},
	{"bad digit", file(`{"\u00g0":1}`, ""), "header: bad escape sequence at byte 2"},
	{"short escape", file(`{"\u00`, ""), "header: bad escape sequence at byte 2"},
	{"lone high surrogate", file(`{"\ud83d":1}`, ""), "header: unpaired surrogate at byte 2"},
	{"lone low surrogate", file(`{"\ude00\ud83d":1}`, ""), "header: unpaired surrogate at byte 2"},

	{"metadata is null", file(`{"__metadata__":null}`, ""), "header: 'n' at byte 16, want '{'"},
	{"metadata is a tensor", file(`{"__metadata__":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, ""), "header: '[' at byte 38, want a string"},
	{"metadata of numbers", file(`{"__metadata__":{"k":1}}`, ""), "header: '1' at byte 21, want a string"},
	{"metadata twice", file(`{"__metadata__":{},"__metadata__":{}}`, ""), `header: key "__metadata__" occurs twice`},
	{"metadata key twice", file(`{"__metadata__":{"k":"1","\u006b":"2"}}`, ""), `header: __metadata__: key "k" occurs twice`},

	{"tensor is null", file(`{"x":null}`, ""), "header: 'n' at byte 5, want '{'"},
	{"tensor is empty", file(`{"x":{}}`, ""), `tensor "x": no dtype`},
	{"no dtype", file(`{"x":{"shape":[],"data_offsets":[0,8]}}`, eight), `tensor "x": no dtype`},
	{"no shape", file(`{"x":{"dtype":"F64","data_offsets":[0,8]}}`, eight), `tensor "x": no shape`},
	{"no offsets", file(`{"x":{"dtype":"F64","shape":[]}}`, eight), `tensor "x": no data_offsets`},
	{"key twice", file(`{"x":{"dtype":"F64","dtype":"F64"}}`, eight), `tensor "x": key "dtype" occurs twice`},
	{"unknown key", file(`{"x":{"strides":[1]}}`, eight), `tensor "x": unknown key "strides"`},
	{"tensor twice", file(`{"x":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"x":{"dtype":"U8","shape":[0],"data_offsets":[8,8]}}`, eight), `header: key "x" occurs twice`},
	{"dtype is a number", file(`{"x":{"dtype":1}}`, ""), "header: '1' at byte 14, want a string"},
	{"dtype in lower case", file(entry("f64", "[1]", "[0,8]"), eight), `tensor "x": unknown element type "f64"`},
	{"dtype empty", file(entry("", "[1]", "[0,8]"), eight), `tensor "x": unknown element type ""`},

	{"shape is a number", file(entry("U8", "8", "[0,8]"), eight), "want '['"},
	{"shape not closed", file(`{"x":{"dtype":"U8","shape":[8`, eight), "header: ends at byte 29, want ',' or ']'"},
	{"shape with a trailing comma", file(entry("U8", "[8,]", "[0,8]"), eight), "header: ']' at byte 30, want a non-negative integer"},
	{"negative", file(entry("U8", "[-8]", "[0,8]"), eight), "header: '-' at byte 28, want a non-negative integer"},
	{"two negatives", file(entry("U8", "[-2,-4]", "[0,8]"), eight), "header: '-' at byte 28"},
	{"fraction", file(entry("U8", "[8.0]", "[0,8]"), eight), "header: number at byte 28 is no integer"},
	{"exponent", file(entry("U8", "[8e0]", "[0,8]"), eight), "header: number at byte 28 is no integer"},
	{"leading zero", file(entry("U8", "[08]", "[0,8]"), eight), "header: integer at byte 28 has leading zeros"},
	{"text", file(entry("U8", `["8"]`, "[0,8]"), eight), "want a non-negative integer"},
	{"dimension over 64 bits", file(entry("U8", "[9223372036854775808]", "[0,8]"), eight), "header: integer at byte 28 does not fit 64 bits"},
	{"product wraps to 8", file(entry("U8", "[4611686018427387906,4]", "[0,8]"), eight), `tensor "x": shape [4611686018427387906 4] has more elements than can be counted`},
	{"product wraps to 0", file(entry("U8", "[4294967296,4294967296]", "[0,0]"), ""), "more elements than can be counted"},
	{"product hidden by a zero", file(entry("U8", "[0,4294967296,4294967296]", "[0,0]"), ""), "more elements than can be counted"},
	{"bytes wrap to 0", file(entry("F64", "[2305843009213693952]", "[0,0]"), ""), "hold 0 bytes, but F64 [2305843009213693952] has"},
	{"deep nesting", file(`{"x":{"shape":`+strings.Repeat("[", 1<<20), ""), "header: '[' at byte 15, want a non-negative integer"},
	{"deep nesting of objects", file(strings.Repeat(`{"x":`, 1<<18), ""), `tensor "x": unknown key "x"`},

	{"one offset", file(entry("U8", "[8]", "[8]"), eight), `tensor "x": data_offsets [8] are no [begin, end]`},
	{"three offsets", file(entry("U8", "[8]", "[0,4,8]"), eight), `tensor "x": data_offsets [0 4 8] are no [begin, end]`},
	{"backwards", file(entry("U8", "[8]", "[8,0]"), eight), `tensor "x": data_offsets [8 0] are no [begin, end]`},
	{"too short for the shape", file(entry("F32", "[3]", "[0,8]"), eight), `tensor "x": data_offsets [0 8] hold 8 bytes, but F32 [3] has 3 elements of 4 bytes`},
	{"too long for the shape", file(entry("F32", "[1]", "[0,8]"), eight), `hold 8 bytes, but F32 [1] has 1 elements`},
	{"part of an element", file(entry("F32", "[1]", "[0,7]"), eight[:7]), `hold 7 bytes, but F32 [1]`},
	{"scalar without data", file(entry("F32", "[]", "[0,0]"), ""), `hold 0 bytes, but F32 [] has 1 elements`},
	{"past the end", file(entry("F64", "[2]", "[0,16]"), eight), `tensor "x": data_offsets [0 16] reach past the data, which has 8 bytes`},
	{"far past the end", file(entry("U8", "[9223372036854775807]", "[0,9223372036854775807]"), eight), `reach past the data`},
	{"empty past the end", file(entry("U8", "[0]", "[9,9]"), eight), `reach past the data`},
	{"gap at the start", file(entry("U8", "[4]", "[4,8]"), eight), `tensor "x": data_offsets [4 8] leave a gap after byte 0`},
	{"gap", file(`{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[5],"data_offsets":[3,8]}}`, eight), `tensor "y": data_offsets [3 8] leave a gap after byte 2`},
	{"overlap", file(`{"y":{"dtype":"U8","shape":[5],"data_offsets":[3,8]},"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, eight), `tensor "y": data_offsets [3 8] overlap the tensor before it, which ends at 4`},
	{"same data twice", file(`{"x":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"y":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}`, eight), `tensor "y": data_offsets [0 8] overlap`},
	{"empty inside another", file(`{"x":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"y":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}}`, eight), `tensor "y": data_offsets [4 4] overlap`},
	{"bytes after the data", file(entry("U8", "[7]", "[0,7]"), eight), "1 bytes after the data of the last tensor"},
	{"data without tensors", file("{}", eight), "8 bytes after the data of the last tensor"},
	{"long name", file(`{"`+strings.Repeat("é", 5000)+`":{}}`, ""), `tensor "` + strings.Repeat("é", 50) + `"…: no dtype`},
	{"many dimensions", file(entry("F32", "["+strings.Repeat("1,", 5000)+"1]", "[0,8]"), eight), "1 1 1 …] has 1 elements"},
}

func TestMalformed(t *testing.T) {
	for _, test := range malformed {
		t.Run(test.name, func(t *testing.T) {
			_, err := read(test.content)
			require.ErrorIs(t, err, safetensors.ErrFormat)
			assert.ErrorContains(t, err, "safetensors: FILE: ")
			assert.ErrorContains(t, err, test.want)
			assert.Less(t, len(err.Error()), 500, "an error can be read")
		})
	}
}

// Unusual but within the format.
func TestWellFormed(t *testing.T) {
	tests := []struct {
		name    string
		content []byte
	}{
		{"no tensors", file(`{}`, "")},
		{"spaces everywhere", file("{ \"x\" :\t{\n\"shape\" : [ 2 , 1 ] , \"data_offsets\":[ 0 , 8 ],\"dtype\":\"F32\"} }\r\n  ", eight)},
		{"not in the order of the data", file(`{"y":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},"x":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, eight)},
		{"empty tensors at the start, between and at the end", file(`{"c":{"dtype":"F64","shape":[0],"data_offsets":[8,8]},"y":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},`+
			`"b":{"dtype":"F64","shape":[3,0],"data_offsets":[4,4]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, eight)},
		{"empty name", file(`{"":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}`, eight)},
		{"escaped names", file(`{"\"\\\/\b\f\n\r\t\u00E9\ud83d\ude00":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}`, eight)},
		{"unaligned", file(`{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"F32","shape":[1],"data_offsets":[3,7]},"c":{"dtype":"U8","shape":[1],"data_offsets":[7,8]}}`, eight)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, err := read(test.content)
			require.NoError(t, err)
			back, err := read(write(t, f))
			require.NoError(t, err)
			assert.ElementsMatch(t, f.Tensors, back.Tensors)
		})
	}
	f, err := read(tests[5].content)
	require.NoError(t, err)
	assert.Equal(t, "\"\\/\b\f\n\r\té😀", f.Tensors[0].Name)
}

func TestForeignElementTypes(t *testing.T) {
	for _, dtype := range []string{"F16", "BF16", "BOOL", "I8", "I16", "U16", "U32", "U64", "F8_E4M3", "C64"} {
		_, err := read(file(entry(dtype, "[2]", "[0,8]"), eight))
		require.ErrorIs(t, err, safetensors.ErrDType)
		require.NotErrorIs(t, err, safetensors.ErrFormat)
		assert.ErrorContains(t, err, `safetensors: FILE: tensor "x": element type `+dtype+` is not supported`)
	}
}

// A file of a few bytes may claim anything: reading it takes no more memory than its header does.
func TestClaimsTakeNoMemory(t *testing.T) {
	claims := [][]byte{
		length(100_000_000),
		append(length(99_000_000), "{}"...),
		file(entry("U8", "[9223372036854775807]", "[0,9223372036854775807]"), eight),
		file(entry("F64", "[1000000000]", "[0,8000000000]"), eight),
	}
	var before, after runtime.MemStats
	for _, claim := range claims {
		runtime.ReadMemStats(&before)
		_, err := read(claim)
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, safetensors.ErrFormat)
		// Far below any of the claims, far above the error's own few kilobytes.
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	}
}

// Whatever the bytes, reading ends with an error or with a file that survives being written, whose
// header a lenient parser takes for valid JSON too.
func FuzzRead(f *testing.F) {
	for _, test := range malformed {
		if len(test.content) < 1000 {
			f.Add(test.content)
		}
	}
	small := sample()
	small.Tensors = small.Tensors[:6]
	var b bytes.Buffer
	if err := safetensors.Write(&b, small); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(file(`{"\"\\\/\b\f\n\r\t\u00E9\ud83d\ude00":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}`, eight))
	f.Fuzz(func(t *testing.T, content []byte) {
		first, err := read(content)
		if err != nil {
			assert.True(t, errors.Is(err, safetensors.ErrFormat) || errors.Is(err, safetensors.ErrDType), err)
			return
		}
		n := binary.LittleEndian.Uint64(content)
		header := content[8 : 8+n]
		var lenient map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(header, &lenient))
		for _, tensor := range first.Tensors {
			assert.Contains(t, lenient, tensor.Name)
		}
		written := write(t, first)
		second, err := read(written)
		require.NoError(t, err)
		// Compared as bytes: NaN is not equal to itself.
		assert.Equal(t, written, write(t, second))
	})
}
