//go:build race

package train

// raceDetector tells that the tests run many times slower than usual.
const raceDetector = true
