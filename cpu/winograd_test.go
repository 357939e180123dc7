package cpu

import (
	"testing"

	"fovea/backend"
	"fovea/backend/backendtest"
	"fovea/cpu/internal/winograd"
)

// winogradMatrices tells the conformance suite what Winograd's bound follows from.
var winogradMatrices = &backendtest.Winograd{AT: rowsOf(winograd.AT[:]), G: rowsOf(winograd.G[:]), BT: rowsOf(winograd.BT[:]), Roundings: winograd.Roundings}

func rowsOf[R [winograd.Filter]float64 | [winograd.Piece]float64](m []R) [][]float64 {
	rows := make([][]float64, len(m))
	for i := range m {
		for j := range len(m[i]) {
			rows[i] = append(rows[i], m[i][j])
		}
	}
	return rows
}

// winogradIn tells for which Ops a device uses Winograd's algorithm.
func winogradIn(d *device) func(op backend.Op) *backendtest.Winograd {
	return func(op backend.Op) *backendtest.Winograd {
		if way, _ := (&compiler{device: d}).convolutionWay(op); way == transformed {
			return winogradMatrices
		}
		return nil
	}
}

// TestConformanceOfAlgorithms certifies convolutions with each algorithm wherever it is
// possible.
func TestConformanceOfAlgorithms(t *testing.T) {
	eachInstructionSet(t, func(t *testing.T, name string) {
		for _, way := range []algorithm{gathered, scattered, transformed} {
			t.Run(way.String(), func(t *testing.T) {
				force := func(d *device) *device {
					d.algorithm = way
					return d
				}
				backendtest.RunKinds(t, func(t testing.TB) backend.Backend { return force(openBackend(t, name, 2)) },
					backendtest.Config{Short: testing.Short(), Winograd: winogradIn(force(closing(t, name, 1)))}, "Conv2D", "Conv2DInputGrad", "Conv2DFilterGrad")
			})
		}
	})
}
