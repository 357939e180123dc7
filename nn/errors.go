package nn

import "strings"

// trimmed is an error without the prefix of this package, for use inside another
// error that has it.
type trimmed struct{ error }

func (t trimmed) Error() string { return strings.TrimPrefix(t.error.Error(), "nn: ") }

func (t trimmed) Unwrap() error { return t.error }
