package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func seconds(values ...float64) (rounds []map[string]float64) {
	for _, v := range values {
		rounds = append(rounds, map[string]float64{metricSeconds: v})
	}
	return rounds
}

// measured makes samples of one task from the seconds of each system and setting.
func measured(t task, of map[string][]float64) *samples {
	s := newSamples()
	for key, values := range of {
		system, setting, _ := strings.Cut(key, " ")
		for _, m := range seconds(values...) {
			s.add(t, system, measurement{setting: m})
		}
	}
	return s
}

func TestMiddle(t *testing.T) {
	assert.Equal(t, 2.0, middle([]float64{9, 1, 2}))
	assert.Equal(t, 2.5, middle([]float64{3, 9, 1, 2}))
}

func TestSettled(t *testing.T) {
	x := task{"Training/vgg/64", 2}
	s := measured(x, map[string][]float64{"torch fast": {1, 3}, "torch near": {5, 1.2}, "torch slow": {1.3, 2}, "torch113 other": {9, 9}})
	assert.ElementsMatch(t, []string{"fast", "near"}, s.settled(x, torch))
	assert.Empty(t, s.settled(x, ort))
}

func TestMedianTakesTheBestSettingOfAllRounds(t *testing.T) {
	x := task{"Training/vgg/64", 2}
	s := measured(x, map[string][]float64{"torch nchw": {4, 4, 4}, "torch channels_last": {1, 2, 9}, "torch dropped": {1, 1}})
	r, ok := s.median(source{torch, x, rate(64)}, false)
	require.True(t, ok)
	assert.Equal(t, result{value: 32, setting: "channels_last", system: torch, rounds: 3}, r)
	r, ok = s.median(source{torch, x, metric(metricSeconds, 1e6)}, true)
	require.True(t, ok)
	assert.Equal(t, 2e6, r.value)
	_, ok = s.median(source{ort, x, rate(64)}, false)
	assert.False(t, ok)
}

func TestEvaluate(t *testing.T) {
	x := task{"Conv2D/vgg-2/forward", 2}
	r := row{name: x.name, unit: "GFLOP/s", group: "Conv2D", ours: source{fovea, x, rate(12)},
		others: from(x, rate(12), torch, torch113, ort), goals: []goal{{least: 0.9, of: oneDNN, named: "oneDNN"}, {least: 1.5}, {limit: 5}, {limit: 13}}}
	s := measured(x, map[string][]float64{"fovea": {1}, "torch nchw": {1.5}, "torch113 blocked": {1.2}, "ort run": {0.8}})
	lines := evaluate([]row{r}, s)
	require.Len(t, lines, 2)
	assert.Equal(t, []string{x.name, "GFLOP/s", "12", "15", "ort run", "0.80",
		"≥ 0.90 of oneDNN, is 1.20: met; ≥ 1.50: MISSED; ≤ 5: MISSED; ≤ 13: met"}, lines[0].cells())
	assert.Equal(t, []string{"Conv2D, geometric mean of 1", "", "", "", "", "1.20", "≥ 1.20 of oneDNN, is 1.20: met"}, lines[1].cells())

	var text, table strings.Builder
	require.NoError(t, writeText(&text, lines))
	assert.Contains(t, text.String(), "3 of 5 goals are met, 0 were not measured")
	require.NoError(t, writeTSV(&table, lines))
	for line := range strings.Lines(table.String()) {
		assert.Equal(t, len(columns)-1, strings.Count(line, "\t"), line)
	}
}

func TestWhatIsMissingIsNoSuccess(t *testing.T) {
	x := task{"Training/vgg/64", 2}
	r := row{name: x.name, unit: "images/s", ours: source{fovea, x, rate(64)}, others: from(x, rate(64), torch), goals: []goal{{least: 1.5}}}
	for _, of := range []map[string][]float64{{"fovea": {1}}, {"torch nchw": {1}}, {}} {
		lines := evaluate([]row{r}, measured(x, of))
		require.Len(t, lines, 1)
		assert.Equal(t, "≥ 1.50: not measured", lines[0].verdicts[0].String())
		assert.False(t, lines[0].verdicts[0].met)
		assert.Equal(t, "-", lines[0].cells()[5])
	}
}

// TestSmallerIsBetter takes times, whose ratio is above 1 where fovea's is lower.
func TestSmallerIsBetter(t *testing.T) {
	x := task{"Inference/vgg/1", 2}
	r := row{name: x.name, unit: "µs", smaller: true, ours: source{fovea, x, metric(metricSeconds, 1e6)},
		others: from(x, metric(metricSeconds, 1e6), ort, torch), goals: []goal{{least: 1}}}
	lines := evaluate([]row{r}, measured(x, map[string][]float64{"fovea": {1e-4}, "ort run": {2e-4}, "torch eager": {9e-4}}))
	assert.InDelta(t, 2, lines[0].ratio, 1e-12)
	assert.Equal(t, ort, lines[0].other.system)
	assert.True(t, lines[0].verdicts[0].met)
}

func TestWrite(t *testing.T) {
	x := task{"Training/vgg/64", 2}
	r := row{name: x.name, unit: "images/s", ours: source{fovea, x, rate(64)}, others: from(x, rate(64), torch), goals: []goal{{least: 1.5}}}
	s := measured(x, map[string][]float64{"fovea": {1, 2}, "torch nchw": {3, 4}})
	folder := filepath.Join(t.TempDir(), "results")
	var out strings.Builder
	require.NoError(t, write(&out, folder, "date: today\n", evaluate([]row{r}, s), s))
	assert.Contains(t, out.String(), "1 of 1 goals are met")
	for name, part := range map[string]string{"table.txt": "date: today", "table.tsv": "torch nchw", "series.tsv": "torch\tnchw\tseconds\t2\t3.5\t3\t4", "ratios.svg": "</svg>"} {
		text, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		assert.Contains(t, string(text), part, name)
	}
}
