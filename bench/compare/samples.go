package main

import (
	"math"
	"slices"
)

// measurement is what a system says of a task: metrics, by setting.
type measurement map[string]map[string]float64

// sample identifies a series of metrics, one a round.
type sample struct {
	task    task
	system  string
	setting string
}

// samples holds the measurements of all rounds.
type samples struct {
	series map[sample][]map[string]float64
	order  []sample // as they were first measured
}

func newSamples() *samples { return &samples{series: map[sample][]map[string]float64{}} }

func (s *samples) add(t task, system string, m measurement) {
	settings := make([]string, 0, len(m))
	for setting := range m {
		settings = append(settings, setting)
	}
	slices.Sort(settings)
	for _, setting := range settings {
		k := sample{t, system, setting}
		if s.series[k] == nil {
			s.order = append(s.order, k)
		}
		s.series[k] = append(s.series[k], m[setting])
	}
}

// A setting that in the first rounds was never within settleWithin of its system's
// best one is not measured in later rounds.
const (
	settleRounds = 2
	settleWithin = 1.25
)

// settled lists the settings of a timed task that are worth more rounds; none where
// all are to be measured.
func (s *samples) settled(t task, system string) (settings []string) {
	best, fastest := math.Inf(1), map[string]float64{}
	for _, k := range s.order {
		if k.task != t || k.system != system {
			continue
		}
		for _, m := range s.series[k] {
			if x := m[metricSeconds]; x > 0 && (fastest[k.setting] == 0 || x < fastest[k.setting]) {
				fastest[k.setting] = x
				best = min(best, x)
			}
		}
	}
	for _, k := range s.order {
		if x := fastest[k.setting]; k.task == t && k.system == system && x > 0 && x <= settleWithin*best {
			settings = append(settings, k.setting)
		}
	}
	return settings
}

// result is the median of a source, with the setting that it was reached with.
type result struct {
	value   float64
	setting string
	system  string
	rounds  int
}

// median returns the best median of a source over the settings that were measured
// in the most rounds; ok tells whether there is one.
func (s *samples) median(from source, smaller bool) (best result, ok bool) {
	rounds := 0
	for _, k := range s.order {
		if k.task == from.task && k.system == from.system {
			rounds = max(rounds, len(s.series[k]))
		}
	}
	for _, k := range s.order {
		if k.task != from.task || k.system != from.system || len(s.series[k]) < rounds {
			continue
		}
		values := make([]float64, 0, rounds)
		for _, m := range s.series[k] {
			values = append(values, from.figure(m))
		}
		if v := middle(values); !ok || better(v, best.value, smaller) {
			best, ok = result{value: v, setting: k.setting, system: k.system, rounds: rounds}, true
		}
	}
	return best, ok
}

// best returns the best median of several sources.
func (s *samples) best(sources []source, smaller bool) (best result, ok bool) {
	for _, from := range sources {
		if r, measured := s.median(from, smaller); measured && (!ok || better(r.value, best.value, smaller)) {
			best, ok = r, true
		}
	}
	return best, ok
}

func better(a, b float64, smaller bool) bool {
	if smaller {
		return a < b
	}
	return a > b
}

// middle returns the median: of an even number of values, the mean of the two in
// the middle.
func middle(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
