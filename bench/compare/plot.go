package main

import (
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

var (
	ahead  = color.RGBA{R: 0x1b, G: 0x7f, B: 0x3b, A: 0xff}
	behind = color.RGBA{R: 0xc0, G: 0x39, B: 0x2b, A: 0xff}
	grey   = color.RGBA{R: 0xb0, G: 0xb0, B: 0xb0, A: 0xff}
)

// writePlot draws the ratios of the rows that compare fovea with others, one above
// the other as in the table, on a logarithmic axis; a ring marks what is required.
func writePlot(path string, lines []line) error {
	lines = slices.DeleteFunc(slices.Clone(lines), func(l line) bool { return !l.compared || !slices.Contains(competitors, l.other.system) })
	if len(lines) == 0 {
		return nil
	}
	slices.Reverse(lines) // the first row comes to the top
	p := plot.New()
	p.Title.Text = "fovea over the best other (right of 1: fovea is ahead; rings: required)"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, octaves(0.125, 64)
	lowest, highest := 0.5, 2.0
	var names []string
	var better, worse, goals plotter.XYs
	for i, l := range lines {
		names = append(names, l.name)
		at := plotter.XY{X: l.ratio, Y: float64(i)}
		if l.ratio >= 1 {
			better = append(better, at)
		} else {
			worse = append(worse, at)
		}
		lowest, highest = min(lowest, l.ratio), max(highest, l.ratio)
		for _, v := range l.verdicts {
			if v.limit == 0 && (v.of == nil || slices.Contains(v.of, l.other.system)) {
				goals = append(goals, plotter.XY{X: v.least, Y: float64(i)})
				lowest, highest = min(lowest, v.least), max(highest, v.least)
			}
		}
	}
	one, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: float64(len(lines)) - 0.5}})
	if err != nil {
		return err
	}
	one.Color = grey
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{Y: 0xdc}, color.Gray{Y: 0xea}
	p.Add(grid, one)
	for _, set := range []struct {
		points plotter.XYs
		shape  draw.GlyphDrawer
		color  color.Color
		radius vg.Length
	}{{goals, draw.RingGlyph{}, color.Black, 4}, {better, draw.CircleGlyph{}, ahead, 3}, {worse, draw.CircleGlyph{}, behind, 3}} {
		if len(set.points) == 0 {
			continue
		}
		points, err := plotter.NewScatter(set.points)
		if err != nil {
			return err
		}
		points.GlyphStyle = draw.GlyphStyle{Shape: set.shape, Color: set.color, Radius: set.radius}
		p.Add(points)
	}
	p.NominalY(names...)
	p.X.Min, p.X.Max = lowest/1.2, highest*1.2
	p.Y.Min, p.Y.Max = -0.5, float64(len(lines))-0.5
	return p.Save(9*vg.Inch, vg.Length(len(lines))*0.19*vg.Inch+vg.Inch, path)
}

// octaves marks the powers of two from one to another.
func octaves(from, to float64) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for v := from; v <= to; v *= 2 {
		ticks = append(ticks, plot.Tick{Value: v, Label: number(v)})
	}
	return ticks
}
