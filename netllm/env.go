package netllm

// Env is a task's simulator: a world that an agent observes and acts in.
//
// Obs is what the agent sees, Act what it chooses. An Env is deterministic
// given the seed of Reset, is used by one goroutine at a time, and allocates
// nothing in Step once it has warmed up; what Step returns stays valid until
// the next call.
type Env[Obs, Act any] interface {
	// Reset starts a new episode and returns its first observation. All
	// randomness of the episode is drawn from seed.
	Reset(seed uint64) (Obs, error)

	// Step acts and returns what followed. It fails if the action is not
	// one of the environment's, or if the episode has ended.
	Step(act Act) (Step[Obs], error)
}

// Step is the outcome of one action.
type Step[Obs any] struct {
	Obs    Obs
	Reward float64

	// Terminated says that the episode reached its natural end, Truncated
	// that it was cut off (a limit on steps or time) in a state that has a
	// future. At most one of the two is set.
	Terminated, Truncated bool
}
