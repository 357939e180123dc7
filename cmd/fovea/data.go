package main

import (
	"context"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"fovea/data"
)

func newData(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "data",
		Short: "List, describe and fetch data sets",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDataList(c), newDataInfo(c), newDataFetch(c))
	return cmd
}

func newDataList(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the data sets that fovea knows",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, line := range data.Known() {
				c.printf("%s\n", line)
			}
			return nil
		},
	}
}

func newDataInfo(c *console) *cobra.Command {
	var seed uint64
	cmd := &cobra.Command{
		Use:     "info SPEC",
		Short:   "Describe a data set and its parts",
		Example: "  fovea data info digits\n  fovea data info mnist:/usr/share/mnist",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			splits, err := data.Open(cmd.Context(), args[0], data.Options{Seed: seed})
			if err != nil {
				return misused(err)
			}
			c.describe(splits)
			return nil
		},
	}
	cmd.Flags().Uint64Var(&seed, "split-seed", 1, "what decides which examples are held out")
	return cmd
}

// describe prints a table: a row for each part, a column for each class.
func (c *console) describe(s *data.Splits) {
	h, w, channels := s.Train.Size()
	name, _, _ := strings.Cut(s.Train.Name(), "/")
	c.printf("%s: images of %d×%d×%d, %s, %s in memory\n", name, h, w, channels, targetsOf(s.Train), mebibytes(s.Bytes()))
	n := s.Train.Normalization()
	c.printf("training part: mean %v, standard deviation %v (of 0..255, each channel)\n", n.Mean, n.Std)
	parts := []*data.Set{s.Train, s.Validation, s.Test}
	c.printf("\n%-16s %10s %10s %10s\n", "", "training", "validation", "test")
	row := func(label string, number func(*data.Set) int) {
		c.printf("%-16s", label)
		for _, p := range parts {
			c.printf(" %10s", thousands(number(p)))
		}
		c.printf("\n")
	}
	row("images", (*data.Set).Len)
	for i, class := range s.Train.Classes() {
		row("  "+plain(class), func(p *data.Set) int { return p.Counts()[i] })
	}
}

func newDataFetch(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "fetch NAME",
		Short: "Download a data set to the cache folder",
		Long: `Download a data set (mnist) to the cache folder, $FOVEA_CACHE or fovea in the
user's cache folder. A download that was interrupted goes on where it stopped.`,
		Example: "  fovea data fetch mnist",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.fetch(cmd.Context(), args[0])
		},
	}
}

func (c *console) fetch(ctx context.Context, name string) error {
	var b bar
	defer b.clear()
	dir, err := data.Fetch(ctx, name, func(file string, done, total int64) {
		b.show(c, file, done, total, progressbar.OptionShowBytes(true), progressbar.OptionSetPredictTime(true))
	})
	if err != nil {
		return misused(err)
	}
	b.clear()
	c.printf("%s is in %s\n", name, dir)
	return nil
}
