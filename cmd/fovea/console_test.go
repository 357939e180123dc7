package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fovea/train"
)

func TestResultOfARegression(t *testing.T) {
	for _, asJSON := range []bool{true, false} {
		var out bytes.Buffer
		c := &console{stdout: &out, json: asJSON, meter: newMeter()}
		c.result(resultEvent{Part: "test"}, train.Metrics{Examples: 7, Loss: 0.25, Accuracy: math.NaN(), RMSE: 0.5, ExplainedVariance: math.NaN()})
		if !asJSON {
			assert.Contains(t, out.String(), "RMSE 0.5")
			continue
		}
		var e map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &e))
		assert.Equal(t, 0.5, e["rmse"])
		assert.Contains(t, e, "explained_variance")
		assert.Nil(t, e["explained_variance"], "JSON has no NaN")
		assert.NotContains(t, e, "accuracy")
	}
}

func TestCancelledBeforeItBegan(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	t.Chdir(t.TempDir())
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitFailed, run(ctx, []string{"train", "--model", "mlp"}, &stdout, &stderr))
	assert.Contains(t, stderr.String(), "interrupted")
	assert.NotContains(t, stderr.String(), "context canceled")
}

func TestNumbers(t *testing.T) {
	for n, s := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -61706: "-61,706"} {
		assert.Equal(t, s, thousands(n))
	}
	for d, s := range map[time.Duration]string{-time.Second: "0:00", 61 * time.Second: "1:01", 59600 * time.Millisecond: "1:00", 2*time.Hour + 3*time.Second: "2:00:03"} {
		assert.Equal(t, s, clock(d))
	}
	assert.Equal(t, "1 thread", count(1, "thread"))
	assert.Equal(t, "2 threads", count(2, "thread"))
}

// Names of classes and models come from files of strangers.
func TestPlain(t *testing.T) {
	for name, s := range map[string]string{
		"T-shirt/top": "T-shirt/top", "Käse 2": "Käse 2", "": "",
		"\x1b[31mred": `"\x1b[31mred"`, "two\nlines": `"two\nlines"`, "\x9b2J": `"\x9b2J"`, "\u202eleft": `"\u202eleft"`,
	} {
		assert.Equal(t, s, plain(name))
	}
}

var ballast []byte

func TestPeakRisesWithMemory(t *testing.T) {
	m := newMeter()
	before := m.peak()
	ballast = make([]byte, 64<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	assert.Greater(t, m.peak()-before, int64(32<<20))
	ballast = nil
}
