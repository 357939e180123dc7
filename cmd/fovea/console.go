package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"fovea/train"
)

// console is where a command writes: text for a person, or one JSON object a line.
type console struct {
	stdout, stderr io.Writer
	json           bool
	meter          *meter

	begun bool  // the command line was understood
	err   error // the first that standard output gave
}

// addJSON adds the flag that chooses between the two.
func (c *console) addJSON(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.json, "json", false, "print one JSON object a line, each with an \"event\"")
}

// printf writes text for a person.
func (c *console) printf(format string, args ...any) {
	if !c.json {
		c.write(fmt.Appendf(nil, format, args...))
	}
}

// event writes a JSON line.
func (c *console) event(v any) {
	if !c.json {
		return
	}
	line, err := json.Marshal(v)
	if err != nil {
		panic("BUG: event: " + err.Error())
	}
	c.write(append(line, '\n'))
}

func (c *console) write(p []byte) {
	if _, err := c.stdout.Write(p); err != nil && c.err == nil {
		c.err = err
	}
}

// notice tells a person something beside the results.
func (c *console) notice(text string) {
	fmt.Fprintf(c.stderr, "fovea: %s\n", text)
	c.event(noticeEvent{"notice", text})
}

// fail reports the error that ends the command.
func (c *console) fail(err error, misused bool) {
	text := err.Error()
	if errors.Is(err, context.Canceled) {
		text = strings.ReplaceAll(text, context.Canceled.Error(), "interrupted")
	}
	text = strings.ReplaceAll(text, "\n", "; ")
	fmt.Fprintf(c.stderr, "fovea: %s\n", text)
	if misused {
		fmt.Fprintln(c.stderr, "fovea: --help shows how it is called")
	}
	c.event(errorEvent{Event: "error", Message: text})
}

type noticeEvent struct {
	Event   string `json:"event"`
	Message string `json:"message"`
}

type errorEvent struct {
	Event   string `json:"event"`
	Message string `json:"message"`
	File    string `json:"file,omitempty"`
}

// resultEvent is the last line of a command.
type resultEvent struct {
	Event string `json:"event"`
	Part  string `json:"part"`
	// Of a classification.
	Accuracy *train.Number `json:"accuracy,omitempty"`
	// Of a regression.
	RMSE              *train.Number `json:"rmse,omitempty"`
	ExplainedVariance *train.Number `json:"explained_variance,omitempty"`

	Loss            train.Number `json:"loss"`
	Examples        int          `json:"examples"`
	ImagesPerSecond train.Number `json:"images_per_second"`
	Seconds         float64      `json:"seconds"`
	// PeakMemoryBytes counts everything but the data set's own bytes, DataBytes.
	PeakMemoryBytes int64  `json:"peak_memory_bytes"`
	DataBytes       int64  `json:"data_bytes"`
	Model           string `json:"model"`
	Backend         string `json:"backend"`
	Seed            uint64 `json:"seed"`
}

// result prints what a network came to on a part of the data.
func (c *console) result(r resultEvent, m train.Metrics) {
	r.Event = "result"
	r.Loss, r.Examples = train.Number(m.Loss), m.Examples
	var score string
	if math.IsNaN(m.Accuracy) {
		rmse, variance := train.Number(m.RMSE), train.Number(m.ExplainedVariance)
		r.RMSE, r.ExplainedVariance = &rmse, &variance
		score = fmt.Sprintf("RMSE %.4g  explained variance %.4f", m.RMSE, m.ExplainedVariance)
	} else {
		accuracy := train.Number(m.Accuracy)
		r.Accuracy = &accuracy
		score = fmt.Sprintf("accuracy %.2f %%", 100*m.Accuracy)
	}
	r.PeakMemoryBytes = c.meter.peak() - r.DataBytes
	r.Seconds = c.meter.elapsed().Seconds()
	c.printf("%-8s %s  loss %.4f  (%s images)\n", r.Part, score, m.Loss, thousands(m.Examples))
	c.printf("%-8s %.1f s, %s images/s, peak memory %s + %s of data\n", "cost", r.Seconds,
		thousands(int(r.ImagesPerSecond)), mebibytes(r.PeakMemoryBytes), mebibytes(r.DataBytes))
	c.event(r)
}

// plain is a name out of a file as a terminal may show it: quoted where it holds more
// than printable characters, such as escape sequences.
func plain(name string) string {
	if utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return name
	}
	return strconv.Quote(name)
}

// thousands writes an integer with commas.
func thousands(n int) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// clock writes a duration as minutes and seconds, or hours too.
func clock(d time.Duration) string {
	s := int(max(d, 0).Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
