// Planners for the sessions of a collection.

package abr

import (
	"slices"
	"strings"
	"sync"
)

// planners makes the planner of a trace when its first session begins, and drops it after the last.
type planners struct {
	video *Video
	mu    sync.Mutex
	by    map[*Trace]*sharedPlanner
}

type sharedPlanner struct {
	once    sync.Once
	planner *Planner
	left    int // sessions to come
}

func newPlanners(video *Video, sessions []Session) *planners {
	p := &planners{video: video, by: map[*Trace]*sharedPlanner{}}
	for _, s := range sessions {
		if p.by[s.Trace] == nil {
			p.by[s.Trace] = &sharedPlanner{}
		}
		p.by[s.Trace].left++
	}
	return p
}

// get returns the planner of a trace that is being played, hence valid.
func (p *planners) get(t *Trace) *Planner {
	p.mu.Lock()
	s := p.by[t]
	p.mu.Unlock()
	s.once.Do(func() {
		var err error
		if s.planner, err = NewPlanner(p.video, t); err != nil {
			panic(err)
		}
	})
	return s.planner
}

// done says that a session of a trace has ended.
func (p *planners) done(t *Trace) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.by[t]; s.left > 1 {
		s.left--
	} else {
		delete(p.by, t)
	}
}

// ByTrace brings the sessions of a trace together, in the order of names: planners are made once, and few at a time.
func ByTrace(sessions []Session) {
	slices.SortStableFunc(sessions, func(a, b Session) int { return strings.Compare(a.Trace.Name, b.Trace.Name) })
}
