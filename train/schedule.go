package train

import (
	"fmt"
	"math"
)

// Schedule is how the learning rate changes over a run. The zero value keeps it.
type Schedule struct {
	// Kind is "constant" (or empty), "cosine" (down to Floor of the rate along half a
	// cosine: Loshchilov and Hutter 2017) or "step" (times Factor every Every epochs).
	Kind string `json:"kind,omitempty"`
	// Warmup is the number of epochs, fractions allowed, in which the rate first rises
	// linearly from zero.
	Warmup float64 `json:"warmup,omitempty"`
	Floor  float64 `json:"floor,omitempty"`
	Factor float64 `json:"factor,omitempty"`
	Every  int     `json:"every,omitempty"`
}

func (s Schedule) validate() error {
	switch {
	case s.Kind != "" && s.Kind != "constant" && s.Kind != "cosine" && s.Kind != "step":
		return fmt.Errorf("train: unknown schedule %q, expected constant, cosine or step", s.Kind)
	case s.Kind == "step" && (s.Every < 1 || !(s.Factor > 0 && s.Factor <= math.MaxFloat32)):
		return fmt.Errorf("train: step schedule: factor %g every %d epochs, expected a finite factor above 0, every 1 epoch or more", s.Factor, s.Every)
	case s.Kind != "step" && (s.Factor != 0 || s.Every != 0):
		return fmt.Errorf("train: schedule %q: it has no factor, found %g every %d epochs", s.Kind, s.Factor, s.Every)
	case s.Kind != "cosine" && s.Floor != 0 || !(s.Floor >= 0 && s.Floor <= 1):
		return fmt.Errorf("train: schedule %q: floor %g, expected 0 to 1 for cosine, else 0", s.Kind, s.Floor)
	case !(s.Warmup >= 0 && s.Warmup <= math.MaxInt32):
		return fmt.Errorf("train: schedule: warmup of %g epochs, expected a finite number of 0 or more", s.Warmup)
	}
	return nil
}

// FactorAt returns what the learning rate is multiplied with at a point of a run, given
// in epochs with their fraction, of a run of so many epochs.
func (s Schedule) FactorAt(epoch float64, epochs int) float64 {
	if epoch < s.Warmup {
		return epoch / s.Warmup
	}
	switch s.Kind {
	case "cosine":
		t := (epoch - s.Warmup) / math.Max(float64(epochs)-s.Warmup, 1e-9)
		return s.Floor + (1-s.Floor)*(1+math.Cos(math.Pi*math.Min(t, 1)))/2
	case "step":
		return math.Pow(s.Factor, math.Floor(epoch/float64(s.Every)))
	}
	return 1
}
