// Package architecture holds the tests that keep the repository in shape: which
// package may import which, how long a file may be, what must be documented, and
// that another module can use fovea from a checkout.
package architecture
