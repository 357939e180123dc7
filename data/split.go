package data

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// Split divides the set at random into one view per fraction. The fractions are positive and sum to at most 1; what they
// leave belongs to no part. The same seed gives the same parts, everywhere. Boundaries are the cumulated fractions of Len,
// rounded; a part without examples is an error. Within a part, examples keep the order of the set.
func (s *Set) Split(seed uint64, fractions ...float64) ([]*Set, error) {
	everything := make([]int32, s.Len())
	for i := range everything {
		everything[i] = int32(i)
	}
	return s.split(seed, [][]int32{everything}, fractions)
}

// SplitStratified is Split within each class on its own, so that every part has the classes in the proportions of the
// whole set, to within one example per class and part. For a regression set, which has no classes, it is Split.
func (s *Set) SplitStratified(seed uint64, fractions ...float64) ([]*Set, error) {
	if s.Regression() {
		return s.Split(seed, fractions...)
	}
	byClass := make([][]int32, len(s.classes))
	for i := range s.Len() {
		l := s.Label(i)
		byClass[l] = append(byClass[l], int32(i))
	}
	return s.split(seed, byClass, fractions)
}

// split cuts every group, shuffled, by the fractions, and joins the pieces of all groups to parts.
func (s *Set) split(seed uint64, groups [][]int32, fractions []float64) ([]*Set, error) {
	if len(fractions) == 0 {
		return nil, fmt.Errorf("data: split of %s without fractions: %w", s.name, ErrInvalid)
	}
	bounds := make([]float64, len(fractions)+1)
	for k, f := range fractions {
		if math.IsNaN(f) || f <= 0 || f > 1 {
			return nil, fmt.Errorf("data: split of %s: fraction %d is %v, expected above 0 and at most 1: %w", s.name, k, f, ErrInvalid)
		}
		bounds[k+1] = bounds[k] + f
	}
	// A few roundings of binary fractions, as in 0.7+0.2+0.1, are not the user's mistake.
	if last := bounds[len(fractions)]; last > 1+1e-9 {
		return nil, fmt.Errorf("data: split of %s: fractions %v sum to %v, expected at most 1: %w", s.name, fractions, last, ErrInvalid)
	}

	// Boundaries are rounded in the row of all groups, one after the other: what rounding takes from one group it gives to
	// the next, and the parts get their sizes as if there were one group.
	parts := make([][]int, len(fractions))
	before := 0
	for g, group := range groups {
		newOrder(purposeSplit, seed, uint64(g)).shuffle(group)
		from := 0
		for k := range parts {
			to := math.Round(bounds[k+1]*float64(before+len(group))) - math.Round(bounds[k+1]*float64(before))
			end := max(from, min(int(to), len(group)))
			for _, e := range group[from:end] {
				parts[k] = append(parts[k], int(e))
			}
			from = end
		}
		before += len(group)
	}
	sets := make([]*Set, len(parts))
	for k, examples := range parts {
		if len(examples) == 0 {
			return nil, fmt.Errorf("data: split of the %d examples of %s by %v leaves part %d empty: %w", s.Len(), s.name, fractions, k, ErrInvalid)
		}
		slices.Sort(examples)
		var err error
		if sets[k], err = s.Subset(fmt.Sprintf("%s[%d/%d]", s.name, k+1, len(parts)), examples); err != nil {
			return nil, err
		}
	}
	return sets, nil
}

// Purposes keep the random numbers of splits and of epochs apart, for equal seeds.
const (
	purposeSplit = 1 + iota
	purposeEpoch
)

// order is a source of permutations that is a function of (purpose, seed, counter) alone: ChaCha8, whose output is fixed
// by its specification, and a shuffle spelled out here, so that no Go release can change a training run.
type order struct{ source rand.ChaCha8 }

func newOrder(purpose, seed, counter uint64) *order {
	o := &order{}
	o.reset(purpose, seed, counter)
	return o
}

func (o *order) reset(purpose, seed, counter uint64) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[0:], purpose)
	binary.LittleEndian.PutUint64(key[8:], seed)
	binary.LittleEndian.PutUint64(key[16:], counter)
	o.source.Seed(key)
}

// shuffle permutes values by Fisher and Yates. The high word of a 64×64-bit product picks from n values with a bias of at
// most n/2⁶⁴.
func (o *order) shuffle(values []int32) {
	for i := len(values) - 1; i > 0; i-- {
		j, _ := bits.Mul64(o.source.Uint64(), uint64(i+1))
		values[i], values[j] = values[j], values[i]
	}
}
