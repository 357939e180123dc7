package data

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// maxDeflateRatio is how far deflate can shrink data at most: 258 bytes in two bits, a little more than 1,030.
const maxDeflateRatio = 1032

// OpenIDX returns the classification set of an IDX file of images and an IDX file of labels, the format of MNIST
// (http://yann.lecun.com/exdb/mnist). Both may be compressed by gzip.
func OpenIDX(name, imagesPath, labelsPath string, classes []string) (*Set, error) {
	images, err := ReadIDXImages(imagesPath)
	if err != nil {
		return nil, err
	}
	labels, err := ReadIDXLabels(labelsPath)
	if err != nil {
		return nil, err
	}
	if len(labels) != images.Len() {
		return nil, fmt.Errorf("data: %s holds %d labels, but %s holds %d images: %w", labelsPath, len(labels), imagesPath, images.Len(), ErrFormat)
	}
	for i, l := range labels {
		if int(l) >= len(classes) {
			return nil, fmt.Errorf("data: %s: label %d is %d, expected 0..%d: %w", labelsPath, i, l, len(classes)-1, ErrFormat)
		}
	}
	return NewClassification(name, images, labels, classes)
}

// ReadIDXImages reads an IDX file of unsigned bytes with three dimensions (image, row, column), gzip or not, as grey images.
func ReadIDXImages(path string) (Images, error) {
	shape, values, err := openIDX(path, 3)
	if err != nil {
		return Images{}, fmt.Errorf("data: %w", err)
	}
	images := Images{Height: shape[1], Width: shape[2], Channels: 1, Bytes: values}
	if err := images.validate(); err != nil {
		return Images{}, fmt.Errorf("data: IDX file %s: %w: %w", path, err, ErrFormat)
	}
	return images, nil
}

// ReadIDXLabels reads an IDX file of unsigned bytes with one dimension, gzip or not.
func ReadIDXLabels(path string) ([]int32, error) {
	_, values, err := openIDX(path, 1)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	labels := make([]int32, len(values))
	for i, v := range values {
		labels[i] = int32(v)
	}
	return labels, nil
}

func openIDX(path string, dimensions int) (shape []int, values []byte, err error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	shape, values, err = readIDX(f, size, dimensions)
	if err != nil {
		return nil, nil, fmt.Errorf("IDX file %s: %w", path, err)
	}
	return shape, values, nil
}

// openRegular opens a file and returns its size. Pipes and devices, which may never end, and folders are refused.
func openRegular(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file but %v: %w", path, info.Mode().Type(), ErrFormat)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// readIDX decodes an IDX stream of size bytes, compressed or not:
//
//	0 0 T D      T = 8: unsigned bytes, D dimensions
//	D × uint32   big endian, the sizes of the dimensions
//	values       row-major
//
// It allocates in proportion to size, whatever the header says.
func readIDX(r io.Reader, size int64, dimensions int) (shape []int, values []byte, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if start, _ := in.Peek(2); len(start) == 2 && start[0] == 0x1f && start[1] == 0x8b {
		unzip, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil, fmt.Errorf("broken gzip header: %w: %w", err, ErrFormat)
		}
		defer func() { _ = unzip.Close() }()
		in = bufio.NewReaderSize(unzip, 64<<10)
		size = min(size, maxImageBytes/maxDeflateRatio) * maxDeflateRatio
	}

	shape, err = readIDXHeader(in, dimensions)
	if err != nil {
		return nil, nil, err
	}
	size -= int64(4 + 4*dimensions)
	total := int64(1)
	for _, n := range shape {
		if total > maxImageBytes/int64(n) {
			return nil, nil, fmt.Errorf("header declares %v values, more than %d MiB: %w", shape, maxImageBytes>>20, ErrTooLarge)
		}
		total *= int64(n)
	}
	if total > size {
		return nil, nil, fmt.Errorf("truncated: header declares %v = %d bytes, but the file can hold at most %d: %w", shape, total, size, ErrFormat)
	}
	values, err = readExactly(in, total)
	if err != nil {
		return nil, nil, err
	}
	if _, err := in.ReadByte(); err == nil {
		return nil, nil, fmt.Errorf("data goes on after the %d bytes that the header declares: %w", total, ErrFormat)
	} else if !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("after %d bytes of data: %w: %w", total, err, ErrFormat) // the checksum of gzip, for one
	}
	return shape, values, nil
}

func readIDXHeader(in io.Reader, dimensions int) ([]int, error) {
	var magic [4]byte
	if _, err := io.ReadFull(in, magic[:]); err != nil {
		return nil, fmt.Errorf("truncated in the magic number: %w: %w", err, ErrFormat)
	}
	if magic[0] != 0 || magic[1] != 0 {
		return nil, fmt.Errorf("magic number %#x, expected %#x: %w", magic, [4]byte{0, 0, 8, byte(dimensions)}, ErrFormat)
	}
	if magic[2] != 8 {
		return nil, fmt.Errorf("element type %#x, expected 0x8, unsigned bytes: %w", magic[2], ErrFormat)
	}
	if int(magic[3]) != dimensions {
		return nil, fmt.Errorf("%d dimensions, expected %d (images have 3, labels 1): %w", magic[3], dimensions, ErrFormat)
	}
	sizes := make([]byte, 4*dimensions)
	if _, err := io.ReadFull(in, sizes); err != nil {
		return nil, fmt.Errorf("truncated in the header: %w: %w", err, ErrFormat)
	}
	shape := make([]int, dimensions)
	for i := range shape {
		n := binary.BigEndian.Uint32(sizes[4*i:])
		if n == 0 || n > 1<<31-1 {
			return nil, fmt.Errorf("dimension %d has size %d, expected 1..%d: %w", i, n, 1<<31-1, ErrFormat)
		}
		shape[i] = int(n)
	}
	return shape, nil
}

// readExactly reads total bytes. What it allocates at first is harmless, and what it allocates later is in proportion to
// what has arrived, so that a small file which claims to be large costs little.
func readExactly(in io.Reader, total int64) ([]byte, error) {
	const harmless = 64 << 20 // MNIST's training images fit without growing
	values := make([]byte, 0, min(total, harmless))
	for int64(len(values)) < total {
		if len(values) == cap(values) {
			values = slices.Grow(values, int(min(total-int64(len(values)), int64(len(values)))))
		}
		room := values[len(values):min(int64(cap(values)), total)]
		n, err := io.ReadFull(in, room)
		values = values[:len(values)+n]
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("truncated: %d bytes of data, expected %d: %w", len(values), total, ErrFormat)
		}
		if err != nil {
			return nil, fmt.Errorf("after %d of %d bytes of data: %w: %w", len(values), total, err, ErrFormat)
		}
	}
	return values, nil
}
