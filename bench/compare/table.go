package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// line is a row with its results.
type line struct {
	row
	fovea    result
	other    result // the best one
	measured bool   // fovea is
	compared bool   // fovea and another one are
	ratio    float64
	verdicts []verdict
}

// verdict says of a goal whether it is met.
type verdict struct {
	goal
	known bool
	ratio float64 // to the systems of the goal, or the figure itself
	met   bool
}

// evaluate takes the medians of all rows; a group of rows adds one with the geometric
// mean of its ratios.
func evaluate(rows []row, s *samples) []line {
	var lines []line
	for _, r := range rows {
		l := line{row: r}
		l.fovea, l.measured = s.median(r.ours, r.smaller)
		other, ok := s.best(r.others, r.smaller)
		if l.compared = ok && l.measured; l.compared {
			l.other = other
			l.ratio = ratio(l.fovea.value, other.value, r.smaller)
		}
		for _, g := range r.goals {
			l.verdicts = append(l.verdicts, judge(g, l, s))
		}
		lines = append(lines, l)
	}
	if mean, ok := geometricMean(lines, "Conv2D", goal{least: 1.2, of: oneDNN, named: "oneDNN"}); ok {
		lines = append(lines, mean)
	}
	return lines
}

func judge(g goal, l line, s *samples) verdict {
	v := verdict{goal: g}
	if g.limit > 0 {
		v.known, v.ratio, v.met = l.measured, l.fovea.value, l.measured && l.fovea.value <= g.limit
		return v
	}
	sources := slices.DeleteFunc(slices.Clone(l.others), func(from source) bool { return g.of != nil && !slices.Contains(g.of, from.system) })
	other, ok := s.best(sources, l.smaller)
	if v.known = ok && l.measured; v.known {
		v.ratio = ratio(l.fovea.value, other.value, l.smaller)
		v.met = v.ratio >= g.least
	}
	return v
}

// ratio is above 1 where a is better than b.
func ratio(a, b float64, smaller bool) float64 {
	if smaller {
		return b / a
	}
	return a / b
}

// geometricMean makes a line of the ratios that the first verdicts of a group's rows
// have; there is none unless all rows were measured.
func geometricMean(lines []line, group string, g goal) (line, bool) {
	sum, n := 0.0, 0
	for _, l := range lines {
		if l.group != group {
			continue
		}
		if len(l.verdicts) == 0 || !l.verdicts[0].known {
			return line{}, false
		}
		sum += math.Log(l.verdicts[0].ratio)
		n++
	}
	if n == 0 {
		return line{}, false
	}
	mean := math.Exp(sum / float64(n))
	return line{row: row{name: fmt.Sprintf("%s, geometric mean of %d", group, n)}, ratio: mean, compared: true,
		verdicts: []verdict{{goal: g, known: true, ratio: mean, met: mean >= g.least}}}, true
}

// String says what the goal is and whether it is met.
func (v verdict) String() string {
	var text string
	switch {
	case v.limit > 0:
		text = fmt.Sprintf("≤ %g", v.limit)
	case v.named != "":
		text = fmt.Sprintf("≥ %.2f of %s", v.least, v.named)
		if v.known {
			text += fmt.Sprintf(", is %.2f", v.ratio)
		}
	default:
		text = fmt.Sprintf("≥ %.2f", v.least)
	}
	switch {
	case !v.known:
		return text + ": not measured"
	case v.met:
		return text + ": met"
	}
	return text + ": MISSED"
}

// cells are the columns of a line: name, unit, fovea, best other, whose it is, ratio, goals.
func (l line) cells() []string {
	cells := []string{l.name, l.unit, "not measured", "not measured", "", "-", ""}
	if l.unit == "" {
		cells[2], cells[3] = "", ""
	}
	if l.measured {
		cells[2] = number(l.fovea.value)
	}
	if l.compared {
		cells[5] = fmt.Sprintf("%.2f", l.ratio)
	}
	if l.compared && l.other.system != "" {
		cells[3] = number(l.other.value)
		cells[4] = strings.TrimSpace(l.other.system + " " + l.other.setting)
	}
	var goals []string
	for _, v := range l.verdicts {
		goals = append(goals, v.String())
	}
	cells[6] = strings.Join(goals, "; ")
	return cells
}

var columns = []string{"name", "unit", "fovea", "best other", "whose", "ratio", "goal"}

// number prints four digits.
func number(v float64) string {
	if v >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// writeText writes the table for people, and how many goals are met.
func writeText(w io.Writer, lines []line) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	met, known, all := 0, 0, 0
	for _, l := range lines {
		fmt.Fprintln(table, strings.Join(l.cells(), "\t"))
		for _, v := range l.verdicts {
			all++
			if v.known {
				known++
			}
			if v.met {
				met++
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d of %d goals are met, %d were not measured\n", met, all, all-known)
	return err
}

// writeTSV writes the table for programs.
func writeTSV(w io.Writer, lines []line) error {
	var b strings.Builder
	fmt.Fprintln(&b, strings.Join(columns, "\t"))
	for _, l := range lines {
		fmt.Fprintln(&b, strings.Join(l.cells(), "\t"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeSeries writes the median of every metric of every system and setting, with
// the lowest and the highest value.
func writeSeries(w io.Writer, s *samples) error {
	var b strings.Builder
	fmt.Fprintln(&b, "task\tthreads\tsystem\tsetting\tmetric\trounds\tmedian\tlowest\thighest")
	for _, k := range s.order {
		for _, name := range []string{metricSeconds, metricGFLOPs, metricFirst, metricPeak} {
			var values []float64
			for _, m := range s.series[k] {
				if v, has := m[name]; has {
					values = append(values, v)
				}
			}
			if len(values) > 0 && (name != metricGFLOPs || k.system == peak) && !(name == metricSeconds && strings.HasPrefix(k.task.name, "Process/")) {
				fmt.Fprintf(&b, "%s\t%d\t%s\t%s\t%s\t%d\t%.6g\t%.6g\t%.6g\n", k.task.name, k.task.threads, k.system, k.setting, name,
					len(values), middle(values), slices.Min(values), slices.Max(values))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
