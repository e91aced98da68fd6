// Which commands must wait for others.

package gpu

// hazards are the bytes that commands since the last barrier read and wrote.
type hazards struct{ reads, writes []span }

// meets reports whether a command with these accesses must wait for an earlier one:
// it reads what is being written, or writes what is being read or written.
func (h *hazards) meets(s span, reads, writes bool) bool {
	for _, w := range h.writes {
		if w.overlaps(s) {
			return true
		}
	}
	if !writes {
		return false
	}
	for _, r := range h.reads {
		if r.overlaps(s) {
			return true
		}
	}
	return false
}

// add notes an access.
func (h *hazards) add(s span, reads, writes bool) {
	if writes {
		h.writes = append(h.writes, s)
	} else if reads {
		h.reads = append(h.reads, s)
	}
}

// clear forgets all: a barrier came between.
func (h *hazards) clear() { h.reads, h.writes = h.reads[:0], h.writes[:0] }
