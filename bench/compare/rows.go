package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// The systems that are measured. The portable one is fovea built with -tags noasm;
// the peak is that of fovea's own loop of multiply-adds in registers.
const (
	fovea    = "fovea"
	portable = "fovea-noasm"
	peak     = "peak"
	torch    = "torch"
	torch113 = "torch113"
	ort      = "ort"
	numpy    = "numpy"
	gorgonia = "gorgonia"
)

// competitors are the systems of others, in the order in which they are measured.
var competitors = []string{torch, torch113, ort, numpy, gorgonia}

// task is what a system is asked for, and how many threads it may use.
type task struct {
	name    string // as fovea's benchmarks are named: Training/vgg/64
	threads int
}

// The metrics of a measurement. Tasks are timed, but Process/… and Peak.
const (
	metricSeconds = "seconds"
	metricFirst   = "first-ms"
	metricPeak    = "peak-MiB"
	metricGFLOPs  = "GFLOP/s"
)

// source is where a figure of the table comes from: the metrics of a system's task.
type source struct {
	system string
	task   task
	figure func(metrics map[string]float64) float64
}

// row is a line of the table.
type row struct {
	name    string
	unit    string
	smaller bool // smaller figures are better
	ours    source
	others  []source
	goals   []goal
	group   string // rows of a group have a geometric mean together
}

// goal is what a row must reach: a ratio to the best of some systems, or, where
// limit is set, a figure of its own.
type goal struct {
	least float64
	of    []string // all others if empty
	named string   // what the systems in of are called together
	limit float64
}

// oneDNN is measured through both versions of PyTorch.
var oneDNN = []string{torch, torch113}

// layer is a convolution of layers.tsv.
type layer struct {
	name                                                  string
	batch, size, in, out, kernel, stride, padding, output int
}

// readLayers reads the table of convolutions that fovea's benchmarks use.
func readLayers(r io.Reader) ([]layer, error) {
	table := csv.NewReader(r)
	table.Comma = '\t'
	records, err := table.ReadAll()
	if err != nil {
		return nil, err
	}
	if head := []string{"name", "batch", "size", "in", "out", "kernel", "stride", "padding"}; len(records) == 0 || !slices.Equal(records[0], head) {
		return nil, fmt.Errorf("table of layers: expected the columns %s", strings.Join(head, " "))
	}
	var layers []layer
	for _, record := range records[1:] {
		l := layer{name: record[0]}
		for i, field := range []*int{&l.batch, &l.size, &l.in, &l.out, &l.kernel, &l.stride, &l.padding} {
			if *field, err = strconv.Atoi(record[i+1]); err != nil || *field < 0 {
				return nil, fmt.Errorf("layer %q: %q is no number", l.name, record[i+1])
			}
		}
		if l.stride == 0 || l.size+2*l.padding < l.kernel {
			return nil, fmt.Errorf("layer %q: stride %d, filter %d on %d pixels", l.name, l.stride, l.kernel, l.size+2*l.padding)
		}
		l.output = (l.size+2*l.padding-l.kernel)/l.stride + 1
		layers = append(layers, l)
	}
	return layers, nil
}

// flop counts the nominal operations of a pass: padded taps count, a multiply-add is two.
func (l layer) flop() float64 {
	return 2 * float64(l.batch*l.output*l.output) * float64(l.out) * float64(l.kernel*l.kernel*l.in)
}

// rate makes a figure of so much work in the seconds of a run.
func rate(work float64) func(map[string]float64) float64 {
	return func(m map[string]float64) float64 { return work / m[metricSeconds] }
}

// metric takes a metric as it is, times a factor.
func metric(name string, factor float64) func(map[string]float64) float64 {
	return func(m map[string]float64) float64 { return factor * m[name] }
}

// from makes sources of the same task and figure in several systems.
func from(t task, figure func(map[string]float64) float64, systems ...string) []source {
	sources := make([]source, len(systems))
	for i, s := range systems {
		sources[i] = source{system: s, task: t, figure: figure}
	}
	return sources
}

// makeRows lists the whole table for a number of threads.
func makeRows(layers []layer, threads int) []row {
	var rows []row
	networks := []string{"lenet5", "vgg"}
	per := func(network string, lenet5, vgg float64) float64 {
		if network == "vgg" {
			return vgg
		}
		return lenet5
	}
	compared := func(name, unit string, t task, figure func(map[string]float64) float64, goals []goal, others ...string) row {
		return row{name: name, unit: unit, ours: from(t, figure, fovea)[0], others: from(t, figure, others...), goals: goals}
	}
	for _, n := range networks {
		t := task{"Training/" + n + "/64", threads}
		rows = append(rows, compared(t.name, "images/s", t, rate(64), []goal{{least: per(n, 3, 1.5)}}, torch, torch113, gorgonia))
	}
	for _, n := range networks {
		t := task{"Inference/" + n + "/64", threads}
		rows = append(rows, compared(t.name, "images/s", t, rate(64), []goal{{least: per(n, 1.5, 1.2)}}, torch, torch113, ort))
	}
	for _, n := range networks {
		t := task{"Inference/" + n + "/1", threads}
		r := compared(t.name, "µs", t, metric(metricSeconds, 1e6), []goal{{least: 1}}, torch, torch113, ort)
		r.smaller = true
		rows = append(rows, r)
	}
	for _, direction := range []string{"forward", "input-gradient", "filter-gradient"} {
		for _, l := range layers {
			t := task{"Conv2D/" + l.name + "/" + direction, threads}
			others := oneDNN
			if direction == "forward" {
				others = append(slices.Clone(others), ort)
			}
			r := compared(t.name, "GFLOP/s", t, rate(l.flop()/1e9), []goal{{least: 0.9, of: oneDNN, named: "oneDNN"}}, others...)
			r.group = "Conv2D"
			rows = append(rows, r)
		}
	}
	for _, n := range counts(threads) {
		for _, p := range []struct {
			sizes, letters string
			flop           float64
		}{{"1024x1024x1024", "nn", 2 * 1024 * 1024 * 1024}, {"64x120x400", "nt", 2 * 64 * 120 * 400}, {"6x50176x25", "nn", 2 * 6 * 50176 * 25}} {
			t := task{"MatMul/" + p.sizes + "/" + p.letters, n}
			rows = append(rows, compared(t.name+numbered(n), "GFLOP/s", t, rate(p.flop/1e9), nil, numpy, torch, torch113))
		}
	}
	rows = append(rows, ownRows(networks, threads)...)
	return rows
}

// ownRows lists what fovea must show of itself, and what a process costs.
func ownRows(networks []string, threads int) []row {
	var rows []row
	for _, n := range counts(threads) {
		least := 0.9
		if n > 1 {
			least = 0.85
		}
		square := task{"MatMul/1024x1024x1024/nn", n}
		rows = append(rows, row{name: "MatMul/1024x1024x1024 of peak" + numbered(n), unit: "GFLOP/s",
			ours:   source{fovea, square, rate(2 * 1024 * 1024 * 1024 / 1e9)},
			others: from(task{"Peak", 1}, metric(metricGFLOPs, float64(n)), peak),
			goals:  []goal{{least: least}}})
	}
	for _, n := range networks {
		t := task{"Training/" + n + "/64", threads}
		rows = append(rows, row{name: t.name + " portable build", unit: "images/s",
			ours: from(t, rate(64), portable)[0], others: from(t, rate(64), gorgonia), goals: []goal{{least: 1}}})
	}
	for _, n := range networks {
		t := task{"Process/" + n + "/64", threads}
		rows = append(rows,
			row{name: t.name + " first step", unit: "ms", smaller: true, ours: from(t, metric(metricFirst, 1), fovea)[0],
				others: from(t, metric(metricFirst, 1), torch, torch113, gorgonia), goals: []goal{{limit: 300}}},
			row{name: t.name + " peak memory", unit: "MiB", smaller: true, ours: from(t, metric(metricPeak, 1), fovea)[0],
				others: from(t, metric(metricPeak, 1), torch, torch113, gorgonia), goals: []goal{{limit: map[string]float64{"lenet5": 40, "vgg": 120}[n]}}})
	}
	for _, n := range networks {
		// Linear means that an image costs no more in a large batch than in a small one.
		for _, pair := range [][2]int{{64, 8}, {512, 64}} {
			rows = append(rows, row{name: fmt.Sprintf("Training/%s/%d over batch %d", n, pair[0], pair[1]), unit: "images/s",
				ours:   source{fovea, task{fmt.Sprintf("Training/%s/%d", n, pair[0]), threads}, rate(float64(pair[0]))},
				others: from(task{fmt.Sprintf("Training/%s/%d", n, pair[1]), threads}, rate(float64(pair[1])), fovea),
				goals:  []goal{{least: 0.9}}})
		}
	}
	if threads > 1 {
		for _, n := range networks {
			r := row{name: fmt.Sprintf("Training/%s/64 over 1 thread", n), unit: "images/s",
				ours:   source{fovea, task{"Training/" + n + "/64", threads}, rate(64)},
				others: from(task{"Training/" + n + "/64", 1}, rate(64), fovea)}
			if n == "vgg" && threads == 2 {
				r.goals = []goal{{least: 1.8}}
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// counts lists the numbers of threads that a product is measured with.
func counts(threads int) []int {
	if threads == 1 {
		return []int{1}
	}
	return []int{1, threads}
}

func numbered(threads int) string {
	if threads == 1 {
		return " 1 thread"
	}
	return fmt.Sprintf(" %d threads", threads)
}

// work lists what must be measured for the rows: each task with its systems, in the
// order of the rows.
func work(rows []row, skipped []string) (tasks []task, systems map[task][]string) {
	systems = map[task][]string{}
	for _, r := range rows {
		for _, s := range append([]source{r.ours}, r.others...) {
			if slices.Contains(skipped, s.system) {
				continue
			}
			if _, known := systems[s.task]; !known {
				tasks = append(tasks, s.task)
			}
			if !slices.Contains(systems[s.task], s.system) {
				systems[s.task] = append(systems[s.task], s.system)
			}
		}
	}
	return tasks, systems
}
