package ops

import (
	"errors"
	"fmt"
	"runtime"
)

// Pin binds each thread of the backend to a processor of its own: the calling
// goroutine's thread, which must be the one that goes on to use the backend, to
// the first, the others to those after it. Some systems, above all virtual
// machines, otherwise put busy threads on one processor and leave another idle.
// The goroutine stays locked to its thread until unpin is called.
//
// It fails with [errors.ErrUnsupported] where the system has no such call, and
// if there are fewer processors than threads; then nothing has changed.
func (c *CPU) Pin() (unpin func(), err error) {
	allowed, err := allowedCPUs()
	if err != nil {
		return nil, fmt.Errorf("ops: pin threads: %w", err)
	}
	if len(allowed) < c.Threads() {
		return nil, fmt.Errorf("ops: pin threads: %d threads, %d processors", c.Threads(), len(allowed))
	}
	c.pool.pins = make([][]int, c.Threads())
	for i := range c.pool.pins {
		c.pool.pins[i] = allowed[i : i+1]
	}
	if err := c.setPins(); err != nil {
		return nil, err
	}
	return func() {
		for i := range c.pool.pins {
			c.pool.pins[i] = allowed
		}
		// It worked before with fewer processors; a thread that stays bound
		// is slower at worst.
		_ = c.setPins()
		runtime.UnlockOSThread()
	}, nil
}

func (c *CPU) setPins() error {
	c.pool.pinErrs = make([]error, c.Threads())
	c.pool.run(cpuSetPin, c, &Args{})
	if err := errors.Join(c.pool.pinErrs...); err != nil {
		return fmt.Errorf("ops: pin threads: %w", err)
	}
	return nil
}

// cpuSetPin is not a primitive, but like one it has to run on every thread.
func cpuSetPin(c *CPU, _ *Args, w *worker) {
	if cpus := c.pool.pins[w.index]; len(cpus) == 1 {
		runtime.LockOSThread()
		c.pool.pinErrs[w.index] = bindThread(cpus)
	} else {
		c.pool.pinErrs[w.index] = bindThread(cpus)
		if w.index > 0 {
			runtime.UnlockOSThread()
		}
	}
}
