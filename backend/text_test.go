package backend

import (
	"encoding"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// roundTrip writes every value of an enumeration by its name and reads it back.
func roundTrip[T enumeration, P interface {
	*T
	encoding.TextUnmarshaler
}](t *testing.T, all []T, unknown T) {
	for _, v := range all {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		assert.Equal(t, `"`+v.String()+`"`, string(text))
		back := unknown
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, v, back)
	}
	_, err := json.Marshal(unknown)
	assert.ErrorContains(t, err, "has no name")
	kept := all[0]
	err = P(&kept).UnmarshalText([]byte("nonsense"))
	assert.ErrorContains(t, err, `"nonsense", expected one of `+all[0].String())
	assert.Equal(t, all[0], kept)
}

func TestEnumerationsAsText(t *testing.T) {
	roundTrip(t, Funcs(), Func(99))
	roundTrip(t, PadModes(), PadMode(99))
	roundTrip(t, ResizeModes(), ResizeMode(99))
	roundTrip(t, LossKinds(), LossKind(99))
	roundTrip(t, OptimizerRules(), OptimizerRule(99))
	assert.Len(t, PadModes(), int(padModes))
	assert.Len(t, ResizeModes(), int(resizeModes))
}
