package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar shows how far something has come, on a terminal; elsewhere it shows nothing.
// The zero value is ready.
type bar struct {
	shown *progressbar.ProgressBar
	of    string
}

// show moves the bar for the thing named to done of total. A new name begins a new
// bar.
func (b *bar) show(c *console, name string, done, total int64, options ...progressbar.Option) {
	f, ok := c.stderr.(*os.File)
	if !ok || c.json || !term.IsTerminal(int(f.Fd())) {
		return
	}
	if b.shown == nil || b.of != name {
		b.clear()
		if total < 1 {
			total = -1 // unknown: a spinner
		}
		b.of = name
		b.shown = progressbar.NewOptions64(total, append([]progressbar.Option{
			progressbar.OptionSetWriter(f),
			progressbar.OptionSetDescription(name),
			progressbar.OptionSetWidth(24),
			progressbar.OptionThrottle(80 * time.Millisecond),
			progressbar.OptionClearOnFinish(),
		}, options...)...)
	}
	_ = b.shown.Set64(done) // a terminal that is gone must not stop the work
}

// clear takes the bar away, to make room for a line.
func (b *bar) clear() {
	if b.shown != nil {
		_ = b.shown.Clear()
		_ = b.shown.Exit()
	}
	b.shown = nil
}
