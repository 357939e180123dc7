package main

import (
	"fmt"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// unit is what the sources declare.
type unit struct {
	kernels   []*kernel
	structs   map[string]*structure
	constants map[string]int
	names     []string // of the constants, in order
}

// kernel is an extern "C" __global__ function.
type kernel struct {
	name, file string
	threads    int // of a block, from __launch_bounds__; 0 without
	params     []field
}

// field is a parameter or a field of a struct.
type field struct {
	name string
	typ  string // as in scalars, "*" for a pointer, or the name of a struct
	dims []int  // of an array
}

// structure is a struct, parsed when a kernel takes one.
type structure struct {
	name, body string
	fields     []field
	used       bool
	twice      bool // in several files
}

var (
	comment   = regexp.MustCompile(`(?s)//[^\n]*|/\*.*?\*/`)
	constant  = regexp.MustCompile(`(?m)^constexpr (?:int|unsigned) (\w+) = (\d+);`)
	structDef = regexp.MustCompile(`(?m)^struct (\w+) \{`)
	global    = regexp.MustCompile(`extern\s+"C"\s+__global__`)
	signature = regexp.MustCompile(`^\s*(?:__launch_bounds__\(\s*(\w+)\s*(?:,\s*\w+\s*)?\))?\s*void\s*(?:__launch_bounds__\(\s*(\w+)\s*(?:,\s*\w+\s*)?\))?\s*(\w+)\s*\(([^)]*)\)\s*\{`)
	parameter = regexp.MustCompile(`^(.*?[\s*])(\w+)((?:\[\w+\])*)$`)
	dimension = regexp.MustCompile(`\[(\w+)\]`)
)

// scalars are the C types that a parameter may have.
var scalars = map[string]scalar{
	"int": {"int32", 4}, "int32_t": {"int32", 4},
	"unsigned": {"uint32", 4}, "unsigned int": {"uint32", 4}, "uint32_t": {"uint32", 4},
	"float":     {"float32", 4},
	"long long": {"int64", 8}, "int64_t": {"int64", 8},
	"unsigned long long": {"uint64", 8}, "uint64_t": {"uint64", 8},
	"double": {"float64", 8},
	"*":      {"Pointer", 8},
}

type scalar struct {
	goType string
	size   int
}

func (u *unit) parse(file, text string) error {
	text = comment.ReplaceAllString(text, "")
	for _, m := range constant.FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			return err
		}
		if _, ok := u.constants[m[1]]; ok {
			return fmt.Errorf("the constant %s is there twice", m[1])
		}
		u.constants[m[1]] = n
		u.names = append(u.names, m[1])
	}
	for _, m := range structDef.FindAllStringSubmatchIndex(text, -1) {
		name := text[m[2]:m[3]]
		body, ok := braced(text[m[1]:])
		if !ok {
			return fmt.Errorf("struct %s has no end", name)
		}
		// Files may each have their own, as long as kernels do not take them.
		_, twice := u.structs[name]
		u.structs[name] = &structure{name: name, body: body, twice: twice}
	}
	for _, at := range global.FindAllStringIndex(text, -1) {
		k, err := u.kernel(text[at[1]:])
		if err != nil {
			return err
		}
		k.file = strings.TrimSuffix(file, ".cu")
		u.kernels = append(u.kernels, k)
	}
	return nil
}

// braced returns the text up to the brace that closes the one before it.
func braced(text string) (string, bool) {
	depth := 1
	for i, c := range text {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return text[:i], true
			}
		}
	}
	return "", false
}

// kernel parses what follows __global__.
func (u *unit) kernel(text string) (*kernel, error) {
	m := signature.FindStringSubmatch(text)
	if m == nil {
		line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
		return nil, fmt.Errorf(`expected extern "C" __global__ void __launch_bounds__(N) name(…) {, found %q`, line)
	}
	k := &kernel{name: m[3]}
	if bound := m[1] + m[2]; bound != "" {
		n, err := u.number(bound)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		k.threads = n
	}
	for _, p := range strings.Split(m[4], ",") {
		f, err := u.field(p)
		if err == nil && f.dims != nil {
			err = fmt.Errorf("%q is an array, which decays to a pointer", p)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		k.params = append(k.params, f)
		if err := u.use(f.typ); err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return k, nil
}

// number is a literal or a constant.
func (u *unit) number(s string) (int, error) {
	if n, ok := u.constants[s]; ok {
		return n, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%s is neither a number nor a constexpr int of a number", s)
	}
	return n, nil
}

// field parses a parameter or a field: a type, a name, extents.
func (u *unit) field(text string) (field, error) {
	words := strings.Join(strings.Fields(strings.ReplaceAll(text, "__restrict__", " ")), " ")
	m := parameter.FindStringSubmatch(words)
	if m == nil {
		return field{}, fmt.Errorf("%q is no parameter", words)
	}
	f := field{name: m[2], typ: strings.TrimSpace(m[1])}
	if token.IsKeyword(f.name) {
		return field{}, fmt.Errorf("%q: %s is a keyword of Go", words, f.name)
	}
	f.typ = strings.TrimPrefix(f.typ, "const ")
	if strings.HasSuffix(f.typ, "*") {
		f.typ = "*"
	}
	for _, d := range dimension.FindAllStringSubmatch(m[3], -1) {
		n, err := u.number(d[1])
		if err != nil {
			return field{}, err
		}
		f.dims = append(f.dims, n)
	}
	return f, nil
}

// use parses the struct of a parameter, and those inside it.
func (u *unit) use(typ string) error {
	if _, ok := scalars[typ]; ok {
		return nil
	}
	s, ok := u.structs[typ]
	if !ok {
		return fmt.Errorf("%s is neither a number, a pointer, nor a struct declared at the start of a line", typ)
	}
	if s.twice {
		return fmt.Errorf("the struct %s is there twice", typ)
	}
	if s.used {
		return nil
	}
	s.used = true
	for _, d := range declarations(s.body) {
		// One type for several names: int a, b;
		names := strings.Split(d, ",")
		first, err := u.field(names[0])
		if err != nil {
			return fmt.Errorf("struct %s: %w", typ, err)
		}
		s.fields = append(s.fields, first)
		for _, name := range names[1:] {
			f, err := u.field(first.typ + " " + name)
			if err != nil {
				return fmt.Errorf("struct %s: %w", typ, err)
			}
			f.typ = first.typ
			s.fields = append(s.fields, f)
		}
		if err := u.use(first.typ); err != nil {
			return fmt.Errorf("struct %s: %w", typ, err)
		}
	}
	return nil
}

// declarations lists the fields of a struct's body; functions are left out.
func declarations(body string) []string {
	for at := strings.IndexByte(body, '{'); at >= 0; at = strings.IndexByte(body, '{') {
		inner, ok := braced(body[at+1:])
		if !ok {
			break
		}
		body = body[:at] + ";" + body[at+len(inner)+2:]
	}
	return slices.DeleteFunc(strings.Split(body, ";"), func(d string) bool {
		return strings.TrimSpace(d) == "" || strings.Contains(d, "(")
	})
}
