//go:build cuda && !(linux && (amd64 || arm64) && cgo)

package driver

// Build without the tag to use fovea on the CPU.
var _ = the_tag_cuda_needs_cgo_on_linux_amd64_or_linux_arm64
