package main

import (
	"slices"

	"github.com/spf13/cobra"

	"fovea/backend"
)

type deviceEvent struct {
	Event   string `json:"event"`
	Name    string `json:"name"`
	Device  string `json:"device,omitempty"`
	Threads int    `json:"threads,omitempty"`
	Error   string `json:"error,omitempty"`
}

func newDevices(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List what can compute on this machine",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			names := backend.Names()
			for _, name := range names {
				c.device(name)
			}
			if !slices.Contains(names, "cuda") {
				c.printf("(this build has no backend for GPUs)\n")
			}
			return nil
		},
	}
	c.addJSON(cmd)
	return cmd
}

// device opens a backend and tells what it is; one that does not work here is no
// failure of the list.
func (c *console) device(name string) {
	b, err := backend.Open(name, backend.Options{})
	if err != nil {
		c.printf("%-10s %v\n", name, err)
		c.event(deviceEvent{Event: "device", Name: name, Error: err.Error()})
		return
	}
	defer b.Close()
	i := b.Info()
	c.printf("%-10s %s, %s\n", i.Name, i.Device, count(i.Threads, "thread"))
	c.event(deviceEvent{Event: "device", Name: i.Name, Device: i.Device, Threads: i.Threads})
}
