package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// Reader gives access to the tensors of a file one by one. It may be used from many goroutines at
// a time, except for Close. The fields are for reading.
type Reader struct {
	Metadata map[string]string // nil when the file has none
	Tensors  []Info            // in the order of their data

	name   string // for errors
	source io.ReaderAt
	data   int64 // where the data begins in source
	closer io.Closer
}

// Open reads and checks the header of a file; tensors are read when they are asked for. The caller
// closes the Reader. Errors name the file; where its content is at fault, they wrap ErrFormat or,
// for an element type that the format has and this package does not read, ErrDType.
func Open(path string) (*Reader, error) {
	// Asked before opening, because opening a named pipe waits for a writer.
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("safetensors: %s: not a regular file%w", path, silent{ErrFormat})
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("safetensors: %w", err), file.Close())
	}
	r, err := NewReader(file, info.Size(), path)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	r.closer = file
	return r, nil
}

// NewReader does what Open does for a source of size bytes. Errors call it by the given name.
func NewReader(source io.ReaderAt, size int64, name string) (*Reader, error) {
	r := &Reader{name: name, source: source}
	if err := r.readHeader(size); err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", name, err)
	}
	return r, nil
}

func (r *Reader) readHeader(size int64) error {
	var prefix [8]byte
	if size < int64(len(prefix)) {
		return formatErrorf("truncated: %d bytes, the length of the header alone takes %d", size, len(prefix))
	}
	if err := readAt(r.source, prefix[:], 0); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	length := binary.LittleEndian.Uint64(prefix[:])
	rest := size - int64(len(prefix))
	if length > maxHeader {
		return formatErrorf("header: claims %d bytes, more than the %d that the format allows", length, maxHeader)
	}
	if int64(length) > rest {
		return formatErrorf("truncated: header of %d bytes, but only %d follow", length, rest)
	}
	text := make([]byte, length)
	if err := readAt(r.source, text, int64(len(prefix))); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	r.data = int64(len(prefix)) + int64(length)
	var err error
	r.Metadata, r.Tensors, err = parseHeader(text, size-r.data)
	return err
}

// Tensor reads the tensor of the given name. The error wraps ErrNotFound when there is none.
func (r *Reader) Tensor(name string) (Tensor, error) {
	i := slices.IndexFunc(r.Tensors, func(info Info) bool { return info.Name == name })
	if i < 0 {
		return Tensor{}, fmt.Errorf("safetensors: %s: no tensor %s%w", r.name, quote(name), silent{ErrNotFound})
	}
	return r.tensor(r.Tensors[i])
}

// All reads all tensors, in the order of their data.
func (r *Reader) All() (*File, error) {
	f := &File{Metadata: r.Metadata, Tensors: make([]Tensor, len(r.Tensors))}
	for i, info := range r.Tensors {
		t, err := r.tensor(info)
		if err != nil {
			return nil, err
		}
		f.Tensors[i] = t
	}
	return f, nil
}

// Close closes the file that Open opened.
func (r *Reader) Close() error {
	if r.closer == nil {
		return nil
	}
	return r.closer.Close()
}

// ReadFile reads a whole file. Errors are those of Open.
func ReadFile(path string) (*File, error) {
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	f, err := r.All()
	if closeErr := r.Close(); err == nil && closeErr != nil {
		return nil, fmt.Errorf("safetensors: %w", closeErr)
	}
	return f, err
}

func (r *Reader) tensor(info Info) (Tensor, error) {
	t := Tensor{Name: info.Name, Shape: slices.Clone(info.Shape)}
	var err error
	switch size := info.end - info.begin; {
	case size > math.MaxInt:
		err = fmt.Errorf("%d bytes are more than this machine can address", size)
	case info.DType == F32:
		t.Data, err = readValues[float32](r, info)
	case info.DType == F64:
		t.Data, err = readValues[float64](r, info)
	case info.DType == I32:
		t.Data, err = readValues[int32](r, info)
	case info.DType == I64:
		t.Data, err = readValues[int64](r, info)
	case info.DType == U8:
		t.Data, err = readValues[uint8](r, info)
	default:
		panic("BUG: safetensors: element type " + string(info.DType) + " passed the check of the header")
	}
	if err != nil {
		return Tensor{}, fmt.Errorf("safetensors: %s: tensor %s: %w", r.name, quote(info.Name), err)
	}
	return t, nil
}

// chunkSize is how many bytes are converted at a time, a multiple of every element's size.
const chunkSize = 1 << 16

func readValues[T element](r *Reader, info Info) ([]T, error) {
	elementSize := info.DType.Size()
	values := make([]T, (info.end-info.begin)/elementSize)
	buffer := make([]byte, min(chunkSize, info.end-info.begin))
	offset := r.data + info.begin
	for part := range slices.Chunk(values, int(chunkSize/elementSize)) {
		bytes := buffer[:int64(len(part))*elementSize]
		if err := readAt(r.source, bytes, offset); err != nil {
			return nil, err
		}
		if _, err := binary.Decode(bytes, binary.LittleEndian, part); err != nil {
			panic("BUG: safetensors: " + err.Error())
		}
		offset += int64(len(bytes))
	}
	return values, nil
}

// readAt fills buffer. A source that ends early, because it was cut off while being read, is an error.
func readAt(source io.ReaderAt, buffer []byte, offset int64) error {
	n, err := source.ReadAt(buffer, offset)
	if n == len(buffer) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return formatErrorf("truncated: ends at byte %d", offset+int64(n))
	}
	return err
}
