// Package train fits networks to data.
//
// [Fit] is the whole procedure of the lecture ("Let's Recap"): mini-batches in an
// order drawn from a seed, forward and backward passes, an optimizer, a look at the
// validation data after every epoch, the best model kept, and an early end where
// nothing improves any more. [Evaluate] measures a network on data it has not seen.
// A [Trainer] is one training step, for those who write their own loop.
//
// A run lives in a folder. It can be stopped at any moment and goes on from there to
// the same bits as if it had never stopped. One run at a time holds it, see
// [LockFolder].
package train
