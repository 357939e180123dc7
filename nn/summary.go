package nn

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"fovea/backend"
	"fovea/graph"
)

// Cost counts the work of predicting a batch of n examples: one forward pass, from
// the input to the prediction.
func (m *Model) Cost(n int) (backend.Cost, error) {
	b, err := m.Build(n, false)
	if err != nil {
		return backend.Cost{}, err
	}
	p, err := b.LowerInference(m.Name, b.Layout(nil), graph.Placement{Node: b.Prediction, Buffer: PredictionName})
	if err != nil {
		return backend.Cost{}, fmt.Errorf("nn: model %q: %w", m.Name, err)
	}
	return p.Cost(), nil
}

// Summary describes the model for people: a line for each layer with the shape of its
// output for one example and the number of parameters that it brings, then their
// total, and the FLOPs of one example's prediction. Of a model that does not build it
// is the error.
func (m *Model) Summary() string {
	b, err := m.Build(1, false)
	if err != nil {
		return err.Error() + "\n"
	}
	c, err := m.Cost(1)
	if err != nil {
		return err.Error() + "\n"
	}
	rows := [][4]string{{"layer", "kind", "output", "parameters"}, {InputName, "", m.Input.String(), ""}}
	total := 0
	for _, l := range b.Layers {
		rows = append(rows, [4]string{strings.Repeat("  ", l.Depth) + l.Name, l.Kind, l.Output.Shape()[1:].String(), thousands(l.Parameters)})
		total += l.Parameters
	}
	return fmt.Sprintf("%s\n%s%s parameters, %s FLOPs for one example\n", m.Name, table(rows), thousands(total), thousands(int(c.FLOPs)))
}

// table lines up columns: the last one at its right end, the others at their left.
func table(rows [][4]string) string {
	var widths [4]int
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		line := fmt.Sprintf("%-*s  %-*s  %-*s  %*s", widths[0], r[0], widths[1], r[1], widths[2], r[2], widths[3], r[3])
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// thousands writes a number with commas between groups of three digits.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
