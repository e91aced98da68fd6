// DASH manifests (media presentation descriptions, ISO/IEC 23009-1), as far as
// they tell how long the segments of a video are and what they weigh.

package abr

import (
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// maxSegments keeps a few bytes of a timeline from becoming many segments.
const maxSegments = 10_000

type manifest struct {
	XMLName  xml.Name         `xml:"MPD"`
	Duration string           `xml:"mediaPresentationDuration,attr"`
	Periods  []manifestPeriod `xml:"Period"`
}

type manifestPeriod struct {
	Duration string `xml:"duration,attr"`
	manifestLevel
	Sets []manifestSet `xml:"AdaptationSet"`
}

type manifestSet struct {
	ContentType string `xml:"contentType,attr"`
	MimeType    string `xml:"mimeType,attr"`
	manifestLevel
	Representations []manifestRepresentation `xml:"Representation"`
}

type manifestRepresentation struct {
	ID        string `xml:"id,attr"`
	Bandwidth string `xml:"bandwidth,attr"` // bit/s
	MimeType  string `xml:"mimeType,attr"`
	manifestLevel
}

// manifestLevel is what a period, a set and a representation can each say about
// segments. What the inner one does not say, the outer one does.
type manifestLevel struct {
	Template *segmentInfo `xml:"SegmentTemplate"`
	List     *segmentInfo `xml:"SegmentList"`
}

// segmentInfo is a SegmentTemplate or a SegmentList.
type segmentInfo struct {
	Timescale   string `xml:"timescale,attr"`
	Duration    string `xml:"duration,attr"`
	StartNumber string `xml:"startNumber,attr"`
	EndNumber   string `xml:"endNumber,attr"`
	Timeline    *struct {
		S []struct {
			T string `xml:"t,attr"`
			D string `xml:"d,attr"`
			R string `xml:"r,attr"`
		} `xml:"S"`
	} `xml:"SegmentTimeline"`
	URLs []struct {
		MediaRange string `xml:"mediaRange,attr"`
	} `xml:"SegmentURL"`

	isList bool
}

// parseManifest reads the video of a manifest.
func parseManifest(text []byte) (*videoSource, error) {
	var m manifest
	if err := xml.Unmarshal(text, &m); err != nil {
		if syntax, ok := errors.AsType[*xml.SyntaxError](err); ok {
			return nil, fmt.Errorf("line %d: %s", syntax.Line, syntax.Msg)
		}
		return nil, fmt.Errorf("line 1: not a DASH manifest: %w", err)
	}
	if len(m.Periods) != 1 {
		return nil, fmt.Errorf("%d periods, want 1", len(m.Periods))
	}
	period := &m.Periods[0]
	set, err := period.video()
	if err != nil {
		return nil, err
	}
	if n := len(set.Representations); n != Qualities { // before segments are made for each
		return nil, fmt.Errorf("%d representations of video, the simulator plays videos of %d qualities", n, Qualities)
	}
	periodSec, err := parseISODuration(period.Duration, m.Duration)
	if err != nil {
		return nil, err
	}
	s := &videoSource{}
	estimated := 0
	for i := range set.Representations {
		r := &set.Representations[i]
		e, exact, err := r.encoding(periodSec, &period.manifestLevel, &set.manifestLevel)
		if err != nil {
			return nil, fmt.Errorf("representation %q: %w", r.ID, err)
		}
		if !exact {
			estimated++
		}
		s.encodings = append(s.encodings, e)
	}
	sortEncodings(s.encodings)
	if estimated > 0 {
		s.notes = append(s.notes, fmt.Sprintf("the manifest tells no sizes for %d of %d qualities: their chunks are taken to weigh bandwidth times duration, all alike",
			estimated, len(s.encodings)))
	}
	return s, nil
}

// video returns the period's one set of video.
func (p *manifestPeriod) video() (*manifestSet, error) {
	var found []*manifestSet
	for i := range p.Sets {
		if p.Sets[i].isVideo() {
			found = append(found, &p.Sets[i])
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d adaptation sets of video, want 1", len(found))
	}
	return found[0], nil
}

func (s *manifestSet) isVideo() bool {
	if s.ContentType != "" {
		return s.ContentType == "video"
	}
	mime := s.MimeType
	if mime == "" && len(s.Representations) > 0 {
		mime = s.Representations[0].MimeType
	}
	return strings.HasPrefix(mime, "video/")
}

// encoding works out the segments of a representation; exact says that the
// manifest has their sizes.
func (r *manifestRepresentation) encoding(periodSec float64, period, set *manifestLevel) (e encoding, exact bool, err error) {
	bits, err := strconv.ParseUint(r.Bandwidth, 10, 40)
	if err != nil || bits == 0 {
		return e, false, fmt.Errorf("bandwidth %q, want bit/s", r.Bandwidth)
	}
	e = encoding{what: fmt.Sprintf("representation %q", r.ID), kbps: float64(bits) / 1000}
	var info *segmentInfo
	for _, level := range []*manifestLevel{period, set, &r.manifestLevel} {
		info = level.over(info)
	}
	if info == nil {
		return e, false, errors.New("neither SegmentTemplate nor SegmentList: where its segments end is not in the manifest")
	}
	if e.sec, err = info.durations(periodSec); err != nil {
		return e, false, err
	}
	if info.isList {
		if e.bytes, err = info.ranges(); err != nil {
			return e, false, err
		}
	}
	if e.bytes != nil {
		return e, true, nil
	}
	for _, sec := range e.sec {
		e.bytes = append(e.bytes, estimate(e.kbps, sec))
	}
	return e, false, nil
}

// over returns what holds at a level where info holds outside of it.
func (l *manifestLevel) over(outer *segmentInfo) *segmentInfo {
	info, isList := l.Template, false
	if l.List != nil {
		info, isList = l.List, true
	}
	if info == nil {
		return outer
	}
	merged := *info
	merged.isList = isList
	if outer != nil && outer.isList == isList {
		for _, attr := range []struct{ inner, outer *string }{
			{&merged.Timescale, &outer.Timescale}, {&merged.StartNumber, &outer.StartNumber}, {&merged.EndNumber, &outer.EndNumber},
		} {
			if *attr.inner == "" {
				*attr.inner = *attr.outer
			}
		}
		if merged.Duration == "" && merged.Timeline == nil {
			merged.Duration, merged.Timeline = outer.Duration, outer.Timeline
		}
		if merged.URLs == nil {
			merged.URLs = outer.URLs
		}
	}
	return &merged
}

// durations returns how long each segment is, in s.
func (info *segmentInfo) durations(periodSec float64) ([]float64, error) {
	scale, err := attribute("timescale", info.Timescale, 1)
	if err != nil {
		return nil, err
	}
	if scale < 1 {
		return nil, fmt.Errorf("timescale %v, want 1 or more", scale)
	}
	if info.Timeline != nil {
		sec, err := info.timeline(scale, periodSec)
		if err == nil && info.isList && len(sec) != len(info.URLs) {
			err = fmt.Errorf("%d segments in the timeline, %d in the list", len(sec), len(info.URLs))
		}
		return sec, err
	}
	ticks, err := attribute("duration", info.Duration, 0)
	if err != nil {
		return nil, err
	}
	if ticks < 1 {
		return nil, errors.New("segments with neither duration nor SegmentTimeline")
	}
	each := ticks / scale
	n := float64(len(info.URLs))
	if !info.isList {
		if n, err = info.count(each, periodSec); err != nil {
			return nil, err
		}
	}
	if n > maxSegments {
		return nil, fmt.Errorf("more than %d segments", maxSegments)
	}
	sec := make([]float64, int(n))
	for i := range sec {
		sec[i] = each
	}
	if rest := periodSec - each*(n-1); n > 0 && rest > 0 && rest < each {
		sec[len(sec)-1] = rest
	}
	return sec, nil
}

// count returns how many segments of each seconds a template makes.
func (info *segmentInfo) count(each, periodSec float64) (float64, error) {
	if info.EndNumber != "" {
		first, err := attribute("startNumber", info.StartNumber, 1)
		if err != nil {
			return 0, err
		}
		last, err := attribute("endNumber", info.EndNumber, 0)
		if err != nil {
			return 0, err
		}
		if last < first {
			return 0, fmt.Errorf("endNumber %v before startNumber %v", last, first)
		}
		return last - first + 1, nil
	}
	if periodSec == 0 {
		return 0, errors.New("the manifest has no duration (mediaPresentationDuration), by which segments could be counted")
	}
	return math.Ceil(periodSec/each - 1e-6), nil
}

// timeline returns the durations of a SegmentTimeline, in s.
func (info *segmentInfo) timeline(scale, periodSec float64) ([]float64, error) {
	var all []float64
	now := 0.0
	for i, s := range info.Timeline.S {
		start, err := attribute("t", s.T, now)
		if err != nil {
			return nil, fmt.Errorf("timeline entry %d: %w", i, err)
		}
		d, err := attribute("d", s.D, 0)
		if err != nil {
			return nil, fmt.Errorf("timeline entry %d: %w", i, err)
		}
		if d < 1 {
			return nil, fmt.Errorf("timeline entry %d: duration %q, want 1 or more", i, s.D)
		}
		more := 0.0
		if s.R == "-1" { // as often as there is room
			end := periodSec * scale
			if i+1 < len(info.Timeline.S) {
				if end, err = attribute("t", info.Timeline.S[i+1].T, end); err != nil {
					return nil, fmt.Errorf("timeline entry %d: %w", i+1, err)
				}
			}
			if more = math.Ceil((end-start)/d-1e-6) - 1; more < 0 {
				return nil, fmt.Errorf("timeline entry %d: repeated to the end, which is not known or lies before it", i)
			}
		} else if more, err = attribute("r", s.R, 0); err != nil {
			return nil, fmt.Errorf("timeline entry %d: %w", i, err)
		}
		if float64(len(all))+more+1 > maxSegments {
			return nil, fmt.Errorf("timeline entry %d: more than %d segments", i, maxSegments)
		}
		for range int(more) + 1 {
			all = append(all, d/scale)
		}
		now = start + d*(more+1)
	}
	return all, nil
}

// ranges returns the sizes that a list has, nil if it has none.
func (info *segmentInfo) ranges() ([]int64, error) {
	var sizes []int64
	for i, url := range info.URLs {
		if (url.MediaRange == "") != (info.URLs[0].MediaRange == "") {
			return nil, fmt.Errorf("segment %d: some segments have a mediaRange and some have none", i)
		}
		if url.MediaRange == "" {
			continue
		}
		from, to, _ := strings.Cut(url.MediaRange, "-")
		first, err1 := strconv.ParseInt(from, 10, 62)
		last, err2 := strconv.ParseInt(to, 10, 62)
		if err1 != nil || err2 != nil || first < 0 || last < first {
			return nil, fmt.Errorf("segment %d: mediaRange %q, want first-last", i, url.MediaRange)
		}
		sizes = append(sizes, last-first+1)
	}
	return sizes, nil
}

// attribute reads a whole number that is not negative.
func attribute(name, text string, absent float64) (float64, error) {
	if text == "" {
		return absent, nil
	}
	v, err := strconv.ParseUint(text, 10, 53) // what float64 holds
	if err != nil {
		return 0, fmt.Errorf("%s %q, want a whole number", name, text)
	}
	return float64(v), nil
}

// isoDuration is a duration of XML Schema without years and months, which have
// no length in seconds.
var isoDuration = regexp.MustCompile(`^P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,12})?)S)?)?$`)

// parseISODuration returns the first of the texts that is not empty in s; 0 if
// all are.
func parseISODuration(texts ...string) (float64, error) {
	for _, text := range texts {
		if text == "" {
			continue
		}
		parts := isoDuration.FindStringSubmatch(text)
		if parts == nil {
			return 0, fmt.Errorf("duration %q, want such as PT3M13.5S", text)
		}
		sec := 0.0
		for i, unit := range []float64{86400, 3600, 60, 1} {
			if parts[i+1] == "" {
				continue
			}
			v, err := strconv.ParseFloat(parts[i+1], 64)
			if err != nil {
				return 0, fmt.Errorf("duration %q: %w", text, err)
			}
			sec += v * unit
		}
		return sec, nil
	}
	return 0, nil
}
