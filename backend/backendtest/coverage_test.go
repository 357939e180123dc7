package backendtest

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"

	"fovea/backend"
)

// TestEveryOperandIsTried: every operand is present in some case; one that may be
// left out is left out in another; one whose place the result may take has a case
// in place.
func TestEveryOperandIsTried(t *testing.T) {
	for _, kind := range backend.Kinds() {
		present, absent, inPlace := map[string]bool{}, map[string]bool{}, map[string]bool{}
		optional, allowed := map[string]bool{}, map[string]bool{}
		for _, c := range Cases(kind, 0) {
			inPlace[c.inPlace] = true
			has := map[string]bool{}
			for i, o := range c.Op.Operands() {
				has[o.Name] = true
				present[o.Name] = true
				first := c.Op.Operands()[0].View
				if o.InPlace && o.View.DType == first.DType && o.View.Shape.Equal(first.Shape) {
					allowed[o.Name] = true
				}
				without := backend.CloneOp(c.Op)
				*without.Operands()[i].View = backend.View{}
				if without.Check() == nil {
					optional[o.Name] = true
				}
			}
			for name := range present {
				if !has[name] {
					absent[name] = true
				}
			}
		}
		for name := range optional {
			assert.True(t, absent[name], "%s: no case leaves %s out", kind, name)
		}
		for name := range allowed {
			assert.True(t, inPlace[name], "%s: no case is in place of %s", kind, name)
		}
		for _, name := range viewFields(reflect.TypeOf(Cases(kind, 0)[0].Op).Elem()) {
			assert.True(t, present[name], "%s: no case has %s", kind, name)
		}
	}
}

// viewFields lists the operands among the fields of an Op.
func viewFields(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case f.Type == reflect.TypeFor[backend.View]():
			names = append(names, f.Name)
		case f.Type == reflect.TypeFor[backend.GradEpilogue]():
			names = append(names, viewFields(f.Type)...)
		}
	}
	return names
}

// TestEverySwitchIsTried: every flag of an Op is on in one case and off in
// another.
func TestEverySwitchIsTried(t *testing.T) {
	for _, kind := range backend.Kinds() {
		seen := map[string]map[bool]bool{}
		for _, c := range Cases(kind, 0) {
			v := reflect.ValueOf(c.Op).Elem()
			for i := range v.NumField() {
				if v.Field(i).Kind() != reflect.Bool {
					continue
				}
				name := v.Type().Field(i).Name
				if seen[name] == nil {
					seen[name] = map[bool]bool{}
				}
				seen[name][v.Field(i).Bool()] = true
			}
		}
		for name, values := range seen {
			assert.Len(t, values, 2, "%s: %s", kind, name)
		}
	}
}
