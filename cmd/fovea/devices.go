package main

import (
	"strings"

	"github.com/spf13/cobra"

	"fovea/backend"
	"fovea/cuda" // the backend "cuda", where it is built with the tag of that name
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
			for _, name := range backend.Names() {
				if name != gpuFamily {
					c.device(name)
				}
			}
			c.gpus()
			return nil
		},
	}
	c.addJSON(cmd)
	return cmd
}

// gpuFamily is the backend that may have several devices.
const gpuFamily = "cuda"

// isGPU tells whether a backend has memory of its own.
func isGPU(i backend.Info) bool {
	family, _, _ := strings.Cut(i.Name, ":")
	return family == gpuFamily
}

// whatComputes describes a device, with its threads where they have a meaning.
func whatComputes(i backend.Info) string {
	if isGPU(i) {
		return i.Device
	}
	return i.Device + ", " + count(i.Threads, "thread")
}

// gpus lists every GPU, or tells why there is none.
func (c *console) gpus() {
	infos, err := cuda.Devices()
	if err != nil {
		c.unusable(gpuFamily, err)
	}
	for _, i := range infos {
		c.printf("%-10s %s\n", i.Name, whatComputes(i))
		c.event(deviceEvent{Event: "device", Name: i.Name, Device: i.Device, Threads: i.Threads})
	}
}

// device opens a backend and tells what it is.
func (c *console) device(name string) {
	b, err := backend.Open(name, backend.Options{})
	if err != nil {
		c.unusable(name, err)
		return
	}
	defer b.Close()
	i := b.Info()
	c.printf("%-10s %s\n", i.Name, whatComputes(i))
	c.event(deviceEvent{Event: "device", Name: i.Name, Device: i.Device, Threads: i.Threads})
}

// unusable tells why a backend does not work here, which is no failure of the list.
func (c *console) unusable(name string, err error) {
	c.printf("%-10s %v\n", name, err)
	c.event(deviceEvent{Event: "device", Name: name, Error: err.Error()})
}
