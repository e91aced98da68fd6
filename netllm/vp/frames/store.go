// What was read last, in memory.

package frames

import "sync"

// store keeps what was made last, as far as there is room for it. Several goroutines may use it.
type store[K comparable, V any] struct {
	room int // for values, in units of size

	mu    sync.Mutex
	size  func(V) int
	kept  map[K]V
	order []K // by age
	used  int
}

func newStore[K comparable, V any](room int, size func(V) int) *store[K, V] {
	return &store[K, V]{room: room, size: size, kept: map[K]V{}}
}

// get returns what is kept of keys, and which of them are not there, each once.
func (s *store[K, V]) get(keys []K) (found map[K]V, missing []K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found = make(map[K]V, len(keys))
	asked := make(map[K]bool, len(keys))
	for _, k := range keys {
		if asked[k] {
			continue
		}
		asked[k] = true
		if v, ok := s.kept[k]; ok {
			found[k] = v
		} else {
			missing = append(missing, k)
		}
	}
	return found, missing
}

// put keeps a value, in place of the oldest if there is no room.
func (s *store[K, V]) put(k K, v V) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.kept[k]; ok {
		return
	}
	s.kept[k] = v
	s.order = append(s.order, k)
	for s.used += s.size(v); s.used > s.room && len(s.order) > 1; s.order = s.order[1:] {
		oldest := s.order[0]
		s.used -= s.size(s.kept[oldest])
		delete(s.kept, oldest)
	}
}
