package safetensors

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads the small part of JSON that a header consists of: objects with known structure,
// strings and non-negative integers. It is stricter than encoding/json, which lets duplicate keys,
// broken UTF-8 and unpaired surrogates pass, and it never descends into what it does not expect, so
// deep nesting costs nothing.
//
// Errors are positions and causes without prefix.
type scanner struct {
	text []byte // valid UTF-8
	pos  int
}

// skipSpace moves to the next token.
func (s *scanner) skipSpace() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// accept consumes c if it is the next token.
func (s *scanner) accept(c byte) bool {
	s.skipSpace()
	if s.pos < len(s.text) && s.text[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// expect consumes c, which must be the next token.
func (s *scanner) expect(c byte) error {
	if !s.accept(c) {
		return s.unexpected("'" + string(c) + "'")
	}
	return nil
}

// unexpected is the error for the next token when another one was wanted.
func (s *scanner) unexpected(want string) error {
	if s.pos >= len(s.text) {
		return formatErrorf("header: ends at byte %d, want %s", s.pos, want)
	}
	r, _ := utf8.DecodeRune(s.text[s.pos:])
	return formatErrorf("header: %q at byte %d, want %s", r, s.pos, want)
}

// object reads an object. It calls member for each key, which must consume the value.
func (s *scanner) object(member func(key string) error) error {
	if err := s.expect('{'); err != nil {
		return err
	}
	if s.accept('}') {
		return nil
	}
	for {
		key, err := s.string()
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		if s.accept(',') {
			continue
		}
		if !s.accept('}') {
			return s.unexpected("',' or '}'")
		}
		return nil
	}
}

// integers reads an array of non-negative integers.
func (s *scanner) integers() ([]int64, error) {
	if err := s.expect('['); err != nil {
		return nil, err
	}
	list := []int64{}
	if s.accept(']') {
		return list, nil
	}
	for {
		value, err := s.integer()
		if err != nil {
			return nil, err
		}
		list = append(list, value)
		if s.accept(',') {
			continue
		}
		if !s.accept(']') {
			return nil, s.unexpected("',' or ']'")
		}
		return list, nil
	}
}

// integer reads a non-negative integer, written without sign, fraction, exponent and leading zeros.
func (s *scanner) integer() (int64, error) {
	s.skipSpace()
	const want = "a non-negative integer"
	start := s.pos
	var value int64
	for s.pos < len(s.text) && '0' <= s.text[s.pos] && s.text[s.pos] <= '9' {
		digit := int64(s.text[s.pos] - '0')
		if value > (1<<63-1-digit)/10 {
			return 0, formatErrorf("header: integer at byte %d does not fit 64 bits", start)
		}
		value = 10*value + digit
		s.pos++
	}
	if s.pos == start {
		return 0, s.unexpected(want)
	}
	if s.text[start] == '0' && s.pos > start+1 {
		return 0, formatErrorf("header: integer at byte %d has leading zeros", start)
	}
	if s.pos < len(s.text) && strings.IndexByte(".eE", s.text[s.pos]) >= 0 {
		s.pos = start
		return 0, formatErrorf("header: number at byte %d is no integer", start)
	}
	return value, nil
}

// string reads a string.
func (s *scanner) string() (string, error) {
	s.skipSpace()
	if s.pos >= len(s.text) || s.text[s.pos] != '"' {
		return "", s.unexpected("a string")
	}
	start := s.pos
	s.pos++
	var unescaped strings.Builder
	run := s.pos // start of the bytes not yet copied to unescaped
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == '"':
			unescaped.Write(s.text[run:s.pos])
			s.pos++
			return unescaped.String(), nil
		case c == '\\':
			unescaped.Write(s.text[run:s.pos])
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			unescaped.WriteRune(r)
			run = s.pos
		case c < ' ':
			return "", formatErrorf("header: control character %#02x in the string at byte %d", c, start)
		default:
			s.pos++
		}
	}
	return "", formatErrorf("header: string at byte %d does not end", start)
}

// escape reads an escape sequence, two of them where they form a surrogate pair.
func (s *scanner) escape() (rune, error) {
	start := s.pos
	rest := s.text[s.pos+1:]
	if len(rest) > 0 {
		if i := strings.IndexByte(`"\/bfnrt`, rest[0]); i >= 0 {
			s.pos += 2
			return rune("\"\\/\b\f\n\r\t"[i]), nil
		}
	}
	high, ok := s.unicodeEscape()
	if !ok {
		return 0, formatErrorf("header: bad escape sequence at byte %d", start)
	}
	if !utf16.IsSurrogate(high) {
		return high, nil
	}
	low, ok := s.unicodeEscape()
	pair := utf16.DecodeRune(high, low)
	if !ok || pair == utf8.RuneError {
		return 0, formatErrorf("header: unpaired surrogate at byte %d", start)
	}
	return pair, nil
}

// unicodeEscape reads \uXXXX.
func (s *scanner) unicodeEscape() (rune, bool) {
	const length = 6
	if len(s.text)-s.pos < length || s.text[s.pos] != '\\' || s.text[s.pos+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range s.text[s.pos+2 : s.pos+length] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	s.pos += length
	return r, true
}
