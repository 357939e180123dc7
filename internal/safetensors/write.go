package safetensors

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Write writes a file. Equal Files give equal bytes: metadata is sorted by key, and tensors lie in
// the given order, the larger element sizes first, so that every element is aligned in the file.
//
// Names must be distinct UTF-8, and shapes must match the data; otherwise nothing is written and
// the error wraps ErrFormat or, for data of another type, ErrDType. An error of w is wrapped and may
// leave half a file, so a file is to be replaced by an atomic rename.
func Write(w io.Writer, f *File) error {
	tensors := slices.Clone(f.Tensors)
	names := make(map[string]bool, len(tensors))
	for _, t := range tensors {
		if err := checkTensor(t); err != nil {
			return fmt.Errorf("safetensors: tensor %s: %w", quote(t.Name), err)
		}
		if names[t.Name] {
			return formatErrorf("safetensors: tensor %s: name occurs twice", quote(t.Name))
		}
		names[t.Name] = true
	}
	slices.SortStableFunc(tensors, func(a, b Tensor) int {
		return cmp.Compare(b.DType().Size(), a.DType().Size())
	})
	header, err := appendHeader(make([]byte, 8), f.Metadata, tensors)
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("safetensors: write header: %w", err)
	}
	for _, t := range tensors {
		if err := writeTensor(w, t); err != nil {
			return fmt.Errorf("safetensors: write tensor %s: %w", quote(t.Name), err)
		}
	}
	return nil
}

func checkTensor(t Tensor) error {
	if t.Name == metadataKey || !utf8.ValidString(t.Name) {
		return formatErrorf("cannot be a name")
	}
	if t.DType() == "" {
		return fmt.Errorf("data is a %T, want a slice of float32, float64, int32, int64 or uint8%w", t.Data, silent{ErrDType})
	}
	want, err := count(t.Shape)
	if err != nil {
		return err
	}
	if got := length(t); got != want {
		return formatErrorf("%d elements, but shape %s has %d", got, listText(t.Shape), want)
	}
	return nil
}

// length returns the number of elements that a tensor really has.
func length(t Tensor) int {
	switch data := t.Data.(type) {
	case []float32:
		return len(data)
	case []float64:
		return len(data)
	case []int32:
		return len(data)
	case []int64:
		return len(data)
	case []uint8:
		return len(data)
	}
	panic("BUG: safetensors: length of data that was not checked")
}

// appendHeader appends the header to prefix, pads it to a multiple of 8 bytes and stores its length
// in the prefix.
func appendHeader(prefix []byte, metadata map[string]string, tensors []Tensor) ([]byte, error) {
	header := append(prefix, '{')
	if len(metadata) > 0 {
		header = append(appendString(header, metadataKey), ":{"...)
		for i, key := range slices.Sorted(maps.Keys(metadata)) {
			if size := len(header) + len(key) + len(metadata[key]); size > maxHeader {
				return nil, tooLong(size)
			}
			if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
				return nil, formatErrorf("metadata %s: not UTF-8", quote(key))
			}
			if i > 0 {
				header = append(header, ',')
			}
			header = append(appendString(header, key), ':')
			header = appendString(header, metadata[key])
		}
		header = append(header, "},"...)
	}
	var offset int64
	for _, t := range tensors {
		header = appendString(header, t.Name)
		header = append(header, `:{"dtype":"`+string(t.DType())+`","shape":[`...)
		for i, dim := range t.Shape {
			if i > 0 {
				header = append(header, ',')
			}
			header = strconv.AppendInt(header, int64(dim), 10)
		}
		header = append(header, `],"data_offsets":[`...)
		header = strconv.AppendInt(header, offset, 10)
		offset += int64(length(t)) * t.DType().Size()
		header = append(header, ',')
		header = strconv.AppendInt(header, offset, 10)
		header = append(header, "]},"...)
	}
	if header[len(header)-1] == ',' {
		header = header[:len(header)-1]
	}
	header = append(header, '}')
	for len(header)%8 != 0 {
		header = append(header, ' ')
	}
	size := len(header) - len(prefix)
	if size > maxHeader {
		return nil, tooLong(size)
	}
	binary.LittleEndian.PutUint64(header, uint64(size))
	return header, nil
}

func tooLong(size int) error {
	return formatErrorf("header of %d bytes or more, the format allows %d", size, maxHeader)
}

// appendString appends a JSON string.
func appendString(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic("BUG: safetensors: " + err.Error())
	}
	return append(b, text...)
}

func writeTensor(w io.Writer, t Tensor) error {
	switch data := t.Data.(type) {
	case []float32:
		return writeValues(w, data, 4)
	case []float64:
		return writeValues(w, data, 8)
	case []int32:
		return writeValues(w, data, 4)
	case []int64:
		return writeValues(w, data, 8)
	case []uint8:
		_, err := w.Write(data)
		return err
	}
	panic("BUG: safetensors: write of data that was not checked")
}

func writeValues[T element](w io.Writer, values []T, elementSize int) error {
	buffer := make([]byte, 0, min(chunkSize, len(values)*elementSize))
	for part := range slices.Chunk(values, chunkSize/elementSize) {
		bytes, err := binary.Append(buffer, binary.LittleEndian, part)
		if err != nil {
			panic("BUG: safetensors: " + err.Error())
		}
		if _, err := w.Write(bytes); err != nil {
			return err
		}
	}
	return nil
}
