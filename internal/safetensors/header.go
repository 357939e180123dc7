package safetensors

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// Info describes a tensor in a file.
type Info struct {
	Name  string
	DType DType
	Shape []int

	begin, end int64 // in bytes, from the end of the header
}

// foreignTypes are the element types of the format that this package does not read.
var foreignTypes = []DType{
	"BOOL", "F4", "F6_E2M3", "F6_E3M2", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ",
	"I8", "I16", "U16", "F16", "BF16", "U32", "C64", "U64",
}

// parseHeader reads the header of a file in which dataSize bytes follow it, and checks everything
// that can be checked without the data. The tensors come in the order of their data.
func parseHeader(text []byte, dataSize int64) (metadata map[string]string, tensors []Info, err error) {
	if !utf8.Valid(text) {
		return nil, nil, formatErrorf("header: not UTF-8")
	}
	if len(text) == 0 || text[0] != '{' {
		return nil, nil, formatErrorf("header: does not begin with '{'")
	}
	s := &scanner{text: text}
	names := map[string]bool{}
	err = s.object(func(key string) error {
		if names[key] {
			return formatErrorf("header: key %s occurs twice", quote(key))
		}
		names[key] = true
		if key == metadataKey {
			metadata, err = parseMetadata(s)
			return err
		}
		info, err := parseInfo(s, key)
		if err != nil {
			return err
		}
		tensors = append(tensors, info)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if s.skipSpace(); s.pos != len(text) {
		return nil, nil, s.unexpected("nothing but spaces")
	}
	slices.SortStableFunc(tensors, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	if err := checkLayout(tensors, dataSize); err != nil {
		return nil, nil, err
	}
	return metadata, tensors, nil
}

func parseMetadata(s *scanner) (map[string]string, error) {
	metadata := map[string]string{}
	err := s.object(func(key string) error {
		if _, ok := metadata[key]; ok {
			return formatErrorf("header: %s: key %s occurs twice", metadataKey, quote(key))
		}
		value, err := s.string()
		metadata[key] = value
		return err
	})
	return metadata, err
}

// parseInfo reads the entry of one tensor and checks it by itself.
func parseInfo(s *scanner, name string) (Info, error) {
	fail := func(format string, args ...any) error {
		return formatErrorf("tensor %s: "+format, append([]any{quote(name)}, args...)...)
	}
	info := Info{Name: name}
	var dims, offsets []int64
	seen := map[string]bool{}
	err := s.object(func(key string) (err error) {
		if seen[key] {
			return fail("key %s occurs twice", quote(key))
		}
		seen[key] = true
		switch key {
		case "dtype":
			var dtype string
			dtype, err = s.string()
			info.DType = DType(dtype)
		case "shape":
			dims, err = s.integers()
		case "data_offsets":
			offsets, err = s.integers()
		default:
			err = fail("unknown key %s", quote(key))
		}
		return err
	})
	if err != nil {
		return Info{}, err
	}
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if !seen[key] {
			return Info{}, fail("no %s", key)
		}
	}

	elementSize := info.DType.Size()
	if slices.Contains(foreignTypes, info.DType) {
		return Info{}, fmt.Errorf("tensor %s: element type %s is not supported, only F32, F64, I32, I64 and U8 are%w",
			quote(name), info.DType, silent{ErrDType})
	}
	if elementSize == 0 {
		return Info{}, fail("unknown element type %s", quote(string(info.DType)))
	}
	info.Shape = make([]int, len(dims))
	for i, dim := range dims {
		if dim > math.MaxInt {
			return Info{}, fail("dimension %d does not fit an int", dim)
		}
		info.Shape[i] = int(dim)
	}
	elements, err := count(info.Shape)
	if err != nil {
		return Info{}, fail("%w", err)
	}
	if len(offsets) != 2 || offsets[0] > offsets[1] {
		return Info{}, fail("data_offsets %s are no [begin, end]", listText(offsets))
	}
	info.begin, info.end = offsets[0], offsets[1]
	// Compared by division, for the product might overflow.
	if size := info.end - info.begin; size%elementSize != 0 || size/elementSize != int64(elements) {
		return Info{}, fail("data_offsets %v hold %d bytes, but %s %s has %d elements of %d bytes",
			offsets, size, info.DType, listText(info.Shape), elements, elementSize)
	}
	return info, nil
}

// checkLayout checks that the tensors, in the order of their data, fill the data section without
// gaps and overlaps.
func checkLayout(tensors []Info, dataSize int64) error {
	var end int64
	for _, t := range tensors {
		fail := func(problem string) error {
			return formatErrorf("tensor %s: data_offsets [%d %d] %s", quote(t.Name), t.begin, t.end, problem)
		}
		switch {
		case t.end > dataSize:
			return fail(fmt.Sprintf("reach past the data, which has %d bytes", dataSize))
		case t.begin < end:
			return fail(fmt.Sprintf("overlap the tensor before it, which ends at %d", end))
		case t.begin > end:
			return fail(fmt.Sprintf("leave a gap after byte %d", end))
		}
		end = t.end
	}
	if end != dataSize {
		return formatErrorf("%d bytes after the data of the last tensor", dataSize-end)
	}
	return nil
}
