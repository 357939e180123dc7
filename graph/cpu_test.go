package graph_test

// Tests that run on every backend find the fast one.
import _ "fovea/cpu"
