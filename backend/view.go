package backend

import "fmt"

// BufferID names a buffer of a Program; 0 is no buffer.
type BufferID int

// View is an operand: a dense row-major array inside a buffer. The zero View is
// an optional operand left out.
type View struct {
	Buffer BufferID
	Offset int // bytes from the start of the buffer, a multiple of the element size
	DType  DType
	Shape  Shape
}

// Present reports whether the view names a buffer.
func (v View) Present() bool { return v.Buffer != 0 }

// Bytes returns how many bytes of the buffer the view covers.
func (v View) Bytes() int { return v.Shape.Elements() * v.DType.Size() }

// Reshape returns the same bytes under another shape of as many elements.
func (v View) Reshape(s Shape) (View, error) {
	if s.Elements() != v.Shape.Elements() {
		return View{}, fmt.Errorf("%w: %v has %d elements, %v has %d", ErrShape, v.Shape, v.Shape.Elements(), s, s.Elements())
	}
	v.Shape = s.Clone()
	return v, nil
}

// Overlaps reports whether the two views share a byte.
func (v View) Overlaps(w View) bool {
	return v.Present() && v.Buffer == w.Buffer && v.Offset < w.Offset+w.Bytes() && w.Offset < v.Offset+v.Bytes()
}

func (v View) String() string {
	if !v.Present() {
		return "-"
	}
	s := fmt.Sprintf("%%%d", v.Buffer)
	if v.Offset != 0 {
		s += fmt.Sprintf("+%d", v.Offset)
	}
	if v.DType != Float32 {
		s += ":" + v.DType.String()
	}
	return s + v.Shape.String()
}
