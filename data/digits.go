package data

import (
	"bytes"
	"compress/gzip"
	_ "embed" // for the digits
	"fmt"
	"io"
	"strconv"
	"strings"
)

//go:embed digits/digits.csv.gz
var digitsFile []byte

// Sizes of the UCI digits.
const (
	digitsSide  = 8
	digitsLevel = 16 // brightest grey level
)

// digitsMaxBytes bounds the decompressed file, which is 260 kB.
const digitsMaxBytes = 4 << 20

// Digits returns the 1,797 handwritten digits of 8×8 pixels that come with fovea (UCI Optical Recognition of Handwritten
// Digits, see digits/README.md), their 17 grey levels stretched to 0..255.
func Digits() (*Set, error) {
	images, labels, err := readDigits(bytes.NewReader(digitsFile))
	if err != nil {
		return nil, fmt.Errorf("data: embedded digits: %w", err)
	}
	return NewClassification("digits", images, labels, digitClasses())
}

func digitClasses() []string {
	return []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
}

// readDigits decodes gzip of what parseDigits takes.
func readDigits(r io.Reader) (Images, []int32, error) {
	unzip, err := gzip.NewReader(r)
	if err != nil {
		return Images{}, nil, fmt.Errorf("broken gzip header: %w: %w", err, ErrFormat)
	}
	defer func() { _ = unzip.Close() }()
	content, err := io.ReadAll(io.LimitReader(unzip, digitsMaxBytes+1))
	if err != nil {
		return Images{}, nil, fmt.Errorf("after %d bytes: %w: %w", len(content), err, ErrFormat)
	}
	if len(content) > digitsMaxBytes {
		return Images{}, nil, fmt.Errorf("more than %d MiB: %w", digitsMaxBytes>>20, ErrTooLarge)
	}
	return parseDigits(string(content))
}

// parseDigits decodes lines of 65 whole numbers: 64 grey levels 0..16, row by row, and the digit.
func parseDigits(content string) (Images, []int32, error) {
	images := Images{Height: digitsSide, Width: digitsSide, Channels: 1}
	var labels []int32
	number := 0
	for line := range strings.Lines(content) {
		number++
		var err error
		if images.Bytes, labels, err = parseDigit(images.Bytes, labels, strings.TrimRight(line, "\r\n")); err != nil {
			return Images{}, nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if len(labels) == 0 {
		return Images{}, nil, fmt.Errorf("no digits: %w", ErrFormat)
	}
	return images, labels, nil
}

// parseDigit appends the pixels and the label of one line.
func parseDigit(pixels []uint8, labels []int32, line string) ([]uint8, []int32, error) {
	const count = digitsSide*digitsSide + 1
	if fields := strings.Count(line, ",") + 1; fields != count {
		return nil, nil, fmt.Errorf("%d fields, expected %d: %w", fields, count, ErrFormat)
	}
	column := 0
	for field := range strings.SplitSeq(line, ",") {
		column++
		limit := digitsLevel
		if column == count {
			limit = 9
		}
		v, err := strconv.Atoi(field)
		if err != nil || v < 0 || v > limit {
			return nil, nil, fmt.Errorf("field %d is %.20q, expected a whole number 0..%d: %w", column, field, limit, ErrFormat)
		}
		if column == count {
			return pixels, append(labels, int32(v)), nil
		}
		pixels = append(pixels, uint8((v*255+digitsLevel/2)/digitsLevel))
	}
	panic("BUG: fewer fields than commas")
}
