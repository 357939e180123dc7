package data

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"
)

// Options says how Open prepares a set. The zero value keeps sizes as they come and holds out the usual fractions.
type Options struct {
	// Height, Width and Channels are what the images are brought to at load, as Set.Resized does: any size, 1 (grey) or 3
	// (RGB) channels. 0 keeps what the source has.
	Height, Width, Channels int

	// Seed of the split into parts.
	Seed uint64

	// Validation and Test are the fractions held out. 0 means 0.15 each; for sets with an official test part, Validation 0
	// means 1/12 of the rest (5,000 of MNIST's 60,000), and Test must be 0.
	Validation, Test float64
}

// Splits are the parts of a data set, read under the same normalisation: Open's is the statistics of Train.
type Splits struct {
	Train, Validation, Test *Set
}

// source is a kind of data set that Open knows.
type source struct {
	name   string
	dir    string // what ":DIR" means for it: "", "optional" or "required"
	help   string
	splits func(ctx context.Context, dir string, o Options) (*Splits, error)
}

// usage is how a specification of the set is written.
func (s source) usage() string {
	return s.name + map[string]string{"": "", "optional": "[:DIR]", "required": ":DIR"}[s.dir]
}

var sources = []source{
	{"digits", "", "1,797 handwritten digits, 8×8, embedded", openDigits},
	{"mnist", "optional", "handwritten digits, 28×28, from the cache folder or mnist:DIR", mnistSource("mnist", OpenMNIST)},
	{"fashion", "optional", "articles of clothing, 28×28, from the cache folder or fashion:DIR", mnistSource("fashion", OpenFashionMNIST)},
	{"folder", "required", "folder:DIR with one folder of pictures per class", openFolderSplits},
}

// Known returns a line for every kind of data set that Open knows: how to write it, and what it is.
func Known() []string {
	lines := make([]string, len(sources))
	for i, s := range sources {
		lines[i] = fmt.Sprintf("%-8s %s", s.name, s.help)
	}
	return lines
}

// Open loads a data set by its specification, NAME or NAME:DIR, and splits it into parts by o.Seed, with the classes in
// equal proportions:
//
//	digits          the embedded UCI digits
//	mnist[:DIR]     MNIST from DIR, or from CacheDir, where Fetch puts it
//	fashion[:DIR]   Fashion-MNIST, likewise
//	folder:DIR      pictures in one folder per class, see OpenFolder
//
// Another name is ErrUnknown, and a name with a folder too many or too few ErrSpecification.
func Open(ctx context.Context, specification string, o Options) (*Splits, error) {
	name, dir, hasDir := strings.Cut(specification, ":")
	for _, s := range sources {
		if s.name != name {
			continue
		}
		switch {
		case hasDir && s.dir == "":
			return nil, fmt.Errorf("data: %q names a folder, expected %s: %w", specification, s.usage(), ErrSpecification)
		case hasDir && dir == "", !hasDir && s.dir == "required":
			return nil, fmt.Errorf("data: %q names no folder, expected %s: %w", specification, s.usage(), ErrSpecification)
		}
		if err := o.check(); err != nil {
			return nil, err
		}
		return s.splits(ctx, dir, o)
	}
	var names []string
	for _, s := range sources {
		names = append(names, s.usage())
	}
	return nil, fmt.Errorf("data: %q: expected one of %s: %w", specification, strings.Join(names, ", "), ErrUnknown)
}

// check reports options out of range. Sizes are checked where they are used.
func (o Options) check() error {
	if min(o.Height, o.Width, o.Channels) < 0 {
		return fmt.Errorf("data: images of %s: expected 0 (as they are) or more: %w", sizeString(o.Height, o.Width, o.Channels), ErrInvalid)
	}
	for _, f := range []float64{o.Validation, o.Test} {
		if math.IsNaN(f) || f < 0 || f >= 1 {
			return fmt.Errorf("data: fraction held out is %v, expected at least 0 and below 1: %w", f, ErrInvalid)
		}
	}
	return nil
}

func openDigits(_ context.Context, _ string, o Options) (*Splits, error) {
	set, err := Digits()
	if err != nil {
		return nil, err
	}
	return splitInThree(set, o)
}

func openFolderSplits(ctx context.Context, dir string, o Options) (*Splits, error) {
	set, err := OpenFolder(ctx, dir, FolderOptions{Height: o.Height, Width: o.Width, Channels: o.Channels})
	if err != nil {
		return nil, err
	}
	return splitInThree(set, o)
}

// mnistSource opens a set with an official test part from a folder, or else from the cache.
func mnistSource(name string, open func(dir string) (train, test *Set, err error)) func(context.Context, string, Options) (*Splits, error) {
	return func(_ context.Context, dir string, o Options) (*Splits, error) {
		if o.Test != 0 {
			return nil, fmt.Errorf("data: %s has its own test part, so the test fraction must be 0, found %v: %w", name, o.Test, ErrInvalid)
		}
		cached := dir == ""
		if cached {
			var err error
			if dir, err = CacheDir(name); err != nil {
				return nil, err
			}
		}
		train, test, err := open(dir)
		if cached && errors.Is(err, fs.ErrNotExist) {
			hint := "give its folder as " + name + ":DIR"
			if _, ok := downloads[name]; ok {
				hint = "fetch it with `fovea data fetch " + name + "`, or " + hint
			}
			return nil, fmt.Errorf("%w; %s", err, hint)
		}
		if err != nil {
			return nil, err
		}
		if train, err = train.Resized(o.Height, o.Width, o.Channels); err != nil {
			return nil, err
		}
		if test, err = test.Resized(o.Height, o.Width, o.Channels); err != nil {
			return nil, err
		}
		held := o.Validation
		if held == 0 {
			held = 1.0 / 12
		}
		parts, err := train.SplitStratified(o.Seed, 1-held, held)
		if err != nil {
			return nil, err
		}
		return newSplits(name, parts[0], parts[1], test)
	}
}

// splitInThree splits a set that has no official parts.
func splitInThree(set *Set, o Options) (*Splits, error) {
	set, err := set.Resized(o.Height, o.Width, o.Channels)
	if err != nil {
		return nil, err
	}
	validation, test := o.Validation, o.Test
	if validation == 0 {
		validation = 0.15
	}
	if test == 0 {
		test = 0.15
	}
	if validation+test >= 1 {
		return nil, fmt.Errorf("data: %s: fractions %v for validation and %v for test leave nothing to train on: %w", set.name, validation, test, ErrInvalid)
	}
	parts, err := set.SplitStratified(o.Seed, 1-validation-test, validation, test)
	if err != nil {
		return nil, err
	}
	return newSplits(set.name, parts[0], parts[1], parts[2])
}

// newSplits names the parts and normalises them by the statistics of the first.
func newSplits(name string, train, validation, test *Set) (*Splits, error) {
	s := &Splits{Train: train.renamed(name + "/train"), Validation: validation.renamed(name + "/validation"), Test: test.renamed(name + "/test")}
	return s.Normalized(train.Statistics())
}

// Normalized returns the parts under another normalisation, such as the one that a saved model was trained with.
func (s *Splits) Normalized(n Normalization) (*Splits, error) {
	var parts [3]*Set
	for i, part := range []*Set{s.Train, s.Validation, s.Test} {
		var err error
		if parts[i], err = part.Normalized(n); err != nil {
			return nil, err
		}
	}
	return &Splits{Train: parts[0], Validation: parts[1], Test: parts[2]}, nil
}

// Bytes returns the memory that the parts take together, shared storage counted once.
func (s *Splits) Bytes() int64 {
	total := int64(0)
	counted := map[*storage]bool{}
	for _, part := range []*Set{s.Train, s.Validation, s.Test} {
		total += 4 * int64(len(part.rows))
		if !counted[part.storage] {
			counted[part.storage] = true
			total += part.storage.bytes()
		}
	}
	return total
}
