// Package deferred has a second [ops.Backend] for tests: one whose memory the
// host cannot address and whose operations do not happen when they are asked
// for, but later, in another goroutine. Code that passes its tests on it as
// well as on the CPU makes none of the assumptions that a graphics processor
// breaks.
//
//	b := deferred.New()
//	defer b.Close()
//	x := ops.NewContext(b).Float32s([]float32{1, 2}, 2)
//	x.Float32s()      // panics: storage is on a device
//	b.Fail(errLost)   // from now on Sync and Download return errLost
//
// Memory that was freed is filled with NaN and given out again, zeroed, at the
// places that the calls have in the order. Its use through an old tensor
// panics, and so does that of memory of another backend.
package deferred
