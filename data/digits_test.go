package data

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDigits(t *testing.T) {
	s, err := Digits()
	require.NoError(t, err)
	assert.Equal(t, 1797, s.Len())
	height, width, channels := s.Size()
	assert.Equal(t, []int{8, 8, 1}, []int{height, width, channels})
	// The counts that scikit-learn documents.
	assert.Equal(t, []int{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}, s.Counts())
	assert.Equal(t, int32(0), s.Label(0))
	// The first row of the first digit, 0 0 5 13 9 1 0 0, stretched from 0..16 to 0..255.
	assert.Equal(t, []uint8{0, 0, 80, 207, 143, 16, 0, 0}, s.Images().Bytes[:8])
	assert.Equal(t, uint8(255), slices.Max(s.Images().Bytes))
}

func digitLine(label string) string { return strings.Repeat("16,", 64) + label }

func TestBadDigits(t *testing.T) {
	good := digitLine("3")
	cases := []struct {
		name, content string
		want          error
		text          string
	}{
		{"empty", "", ErrFormat, "no digits"},
		{"short line", good + "\n1,2,3\n", ErrFormat, "line 2: 3 fields, expected 65"},
		{"long line", good + ",1", ErrFormat, "line 1: 66 fields"},
		{"empty line", good + "\n\n" + good, ErrFormat, "line 2: 1 fields"},
		{"endless line", strings.Repeat("1", 1<<17), ErrFormat, "line 1: 1 fields"},
		{"bright pixel", "17" + good[2:], ErrFormat, `line 1: field 1 is "17", expected a whole number 0..16`},
		{"negative pixel", "-1" + good[2:], ErrFormat, `field 1 is "-1"`},
		{"fraction", "1.5" + good[2:], ErrFormat, `field 1 is "1.5"`},
		{"NaN", "NaN" + good[2:], ErrFormat, `field 1 is "NaN"`},
		{"label", digitLine("10"), ErrFormat, `field 65 is "10", expected a whole number 0..9`},
		{"too much", strings.Repeat(good+"\n", digitsMaxBytes/len(good)+1), ErrTooLarge, "more than 4 MiB"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := readDigits(bytes.NewReader(zip(t, []byte(c.content))))
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, c.text)
		})
	}
	_, _, err := readDigits(strings.NewReader(good))
	require.ErrorIs(t, err, ErrFormat)
	assert.ErrorContains(t, err, "broken gzip header")
	whole := zip(t, []byte(good))
	_, _, err = readDigits(bytes.NewReader(whole[:len(whole)-9]))
	require.ErrorIs(t, err, ErrFormat)
}

func FuzzDigits(f *testing.F) {
	f.Add(digitLine("3") + "\n" + digitLine("4"))
	f.Add("1,2,3")
	f.Fuzz(func(t *testing.T, content string) {
		images, labels, err := parseDigits(content)
		if err != nil {
			return
		}
		if _, err := NewClassification("fuzz", images, labels, digitClasses()); err != nil {
			t.Fatalf("accepted, but %v", err)
		}
	})
}
