package ops

import "golang.org/x/sys/unix"

// allowedCPUs returns the numbers of the processors that this thread may use.
func allowedCPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, err
	}
	var cpus []int
	for i := 0; len(cpus) < set.Count(); i++ {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}

// bindThread lets the calling thread use only the given processors.
func bindThread(cpus []int) error {
	var set unix.CPUSet
	for _, i := range cpus {
		set.Set(i)
	}
	return unix.SchedSetaffinity(0, &set)
}
