//go:build cuda && linux && (amd64 || arm64)

package driver

// #include "loader.h"
import "C"

import (
	"fmt"

	"gorgonia.org/cu"
)

// DeviceInfo describes a device.
type DeviceInfo struct {
	Ordinal         int
	Name            string
	UUID            string
	Capability      int   // compute capability, 10·major + minor
	Memory          int64 // bytes
	Multiprocessors int
	Clock           int // of the multiprocessors, kHz; 0 where the driver does not tell
	MemoryClock     int // kHz; 0 where the driver does not tell
	MemoryBus       int // bits
	L2              int // bytes
	SharedPerBlock  int // bytes of shared memory a block may have, with SetDynamicShared
	SharedPerSM     int // bytes of shared memory of a multiprocessor
	ThreadsPerBlock int
	ThreadsPerSM    int
}

// DeviceCount returns the number of devices.
func DeviceCount() (int, error) {
	n, err := cu.NumDevices()
	return n, throughCu("cuDeviceGetCount", err)
}

// Devices describes all devices. It fails as Status does where there is none.
func Devices() ([]DeviceInfo, error) {
	if err := Status(); err != nil {
		return nil, err
	}
	n, err := DeviceCount()
	if err != nil {
		return nil, err
	}
	infos := make([]DeviceInfo, n)
	for i := range infos {
		d, err := device(i)
		if err != nil {
			return nil, err
		}
		if infos[i], err = describe(d, i); err != nil {
			return nil, err
		}
	}
	return infos, nil
}

func device(ordinal int) (cu.Device, error) {
	d, err := cu.GetDevice(ordinal)
	if err != nil {
		n, _ := DeviceCount()
		return d, fmt.Errorf("device %d of %d: %w", ordinal, n, throughCu("cuDeviceGet", err))
	}
	return d, nil
}

func describe(d cu.Device, ordinal int) (DeviceInfo, error) {
	info := DeviceInfo{Ordinal: ordinal}
	var err error
	if info.Name, err = d.Name(); err != nil {
		return info, throughCu("cuDeviceGetName", err)
	}
	id, err := d.UUID()
	if err != nil {
		return info, throughCu("cuDeviceGetUuid", err)
	}
	info.UUID = "GPU-" + id.String()
	if info.Memory, err = d.TotalMem(); err != nil {
		return info, throughCu("cuDeviceTotalMem", err)
	}
	var major, minor int
	for _, a := range []struct {
		attribute cu.DeviceAttribute
		to        *int
	}{
		{cu.ComputeCapabilityMajor, &major},
		{cu.ComputeCapabilityMinor, &minor},
		{cu.MultiprocessorCount, &info.Multiprocessors},
		{cu.ClockRate, &info.Clock},
		{cu.MemoryClockRate, &info.MemoryClock},
		{cu.GlobalMemoryBusWidth, &info.MemoryBus},
		{cu.L2CacheSize, &info.L2},
		{C.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, &info.SharedPerBlock},
		{cu.MaxSharedMemoryPerMultiprocessor, &info.SharedPerSM},
		{cu.MaxThreadsPerBlock, &info.ThreadsPerBlock},
		{cu.MaxThreadsPerMultiprocessor, &info.ThreadsPerSM},
	} {
		if *a.to, err = d.Attribute(a.attribute); err != nil {
			return info, throughCu("cuDeviceGetAttribute", err)
		}
	}
	info.Capability = 10*major + minor
	return info, nil
}
