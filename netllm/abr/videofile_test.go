// Videos in one file: tables of sizes and DASH manifests.

package abr

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tableOf is a video as a table, with one size per chunk that tells which it is.
func tableOf(chunks int, change func(t *videoTable)) string {
	t := videoTable{Name: "own", ChunkMs: 4000, Kbps: []float64{300, 750, 1200, 1850, 2850, 4300}}
	for q := range Qualities {
		var sizes []int64
		for i := range chunks {
			sizes = append(sizes, int64(1000*(q+1)+i))
		}
		t.SizesBytes = append(t.SizesBytes, sizes)
	}
	if change != nil {
		change(&t)
	}
	text, err := json.Marshal(t)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// manifestOf is a manifest with what a period, a set and each representation
// say about segments; one of sound stands before.
func manifestOf(period, set string, representation func(q int) string) string {
	text := new(strings.Builder)
	fmt.Fprintf(text, `<?xml version="1.0" encoding="UTF-8"?>
<!-- made for a test -->
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3M13.5S">
 <Period>%s
  <AdaptationSet mimeType="audio/mp4"><SegmentTemplate duration="2"/><Representation id="sound" bandwidth="64000"/></AdaptationSet>
  <AdaptationSet>%s
`, period, set)
	for _, q := range []int{3, 0, 5, 1, 4, 2} { // not in order
		fmt.Fprintf(text, "   <Representation id=\"v%d\" mimeType=\"video/mp4\" bandwidth=\"%d000\">%s</Representation>\n", q, BitratesKbps[q], representation(q))
	}
	text.WriteString("  </AdaptationSet>\n </Period>\n</MPD>\n")
	return text.String()
}

func nothing(int) string { return "" }

// list is a SegmentList of n byte ranges, whose sizes are those of tableOf.
func list(n int, attributes string) func(q int) string {
	return func(q int) string {
		text := new(strings.Builder)
		fmt.Fprintf(text, "<SegmentList %s>", attributes)
		at := 800
		for i := range n {
			size := 1000*(q+1) + i
			fmt.Fprintf(text, `<SegmentURL mediaRange="%d-%d"/>`, at, at+size-1)
			at += size
		}
		return text.String() + "</SegmentList>"
	}
}

const timeline48 = `<SegmentTimeline><S t="90000" d="360000" r="46"/><S d="360360"/></SegmentTimeline>`

func TestParseVideo(t *testing.T) {
	t.Parallel()
	const (
		estimated = "the manifest tells no sizes for 6 of 6 qualities: their chunks are taken to weigh bandwidth times duration, all alike"
		short     = "chunk 49, which only MPC looks at, is taken to weigh what the one before does"
	)
	for _, c := range []struct {
		name, text  string
		video       string
		first, last [2]int // of quality 0 and quality 5
		note        string
	}{
		{"table of 49", tableOf(49, nil), "own", [2]int{1000, 6000}, [2]int{1048, 6048}, ""},
		{"table of 48", tableOf(48, nil), "own", [2]int{1000, 6000}, [2]int{1047, 6047}, short},
		{"without a name", "\ufeff \n" + tableOf(49, func(t *videoTable) { t.Name = "" }), "file", [2]int{1000, 6000}, [2]int{1048, 6048}, ""},
		{"other bitrates", tableOf(49, func(t *videoTable) { t.Kbps[0], t.Kbps[5] = 235, 4300.5 }), "own", [2]int{1000, 6000}, [2]int{1048, 6048},
			"bitrates of 235, 750, 1200, 1850, 2850, 4300.5 kbit/s count as 300, 750, 1200, 1850, 2850, 4300 in the QoE"},
		{"byte ranges", manifestOf("", "", list(49, `duration="4"`)), "file", [2]int{1000, 6000}, [2]int{1048, 6048}, ""},
		{"byte ranges, timeline", manifestOf("", "", func(q int) string {
			return strings.Replace(list(48, `timescale="90000"`)(q), "<SegmentURL", timeline48+"<SegmentURL", 1)
		}), "file", [2]int{1000, 6000}, [2]int{1047, 6047}, short},
		// 193.5 s: 48 whole segments, one of 1.5 s.
		{"template", manifestOf("", `<SegmentTemplate media="$Number$" timescale="1000" duration="4000"/>`, nothing), "file",
			[2]int{150000, 2150000}, [2]int{56250, 806250}, estimated},
		{"template, inherited", manifestOf(`<SegmentTemplate timescale="1000"/>`, "", func(int) string { return `<SegmentTemplate duration="4000"/>` }), "file",
			[2]int{150000, 2150000}, [2]int{56250, 806250}, estimated},
		{"template, inner wins", manifestOf(`<SegmentTemplate timescale="1" duration="2"/>`, `<SegmentTemplate timescale="90000">`+timeline48+`</SegmentTemplate>`, nothing), "file",
			[2]int{150000, 2150000}, [2]int{150150, 2152150}, estimated + "; " + short},
		{"timeline to the end", manifestOf("", `<SegmentTemplate><SegmentTimeline><S d="4" r="-1"/></SegmentTimeline></SegmentTemplate>`, nothing), "file",
			[2]int{150000, 2150000}, [2]int{150000, 2150000}, estimated},
		{"timeline to the next", manifestOf("", `<SegmentTemplate><SegmentTimeline><S t="0" d="4" r="-1"/><S t="192" d="2"/></SegmentTimeline></SegmentTemplate>`, nothing), "file",
			[2]int{150000, 2150000}, [2]int{75000, 1075000}, estimated},
		{"numbers", manifestOf("", `<SegmentTemplate duration="4" startNumber="0" endNumber="48"/>`, nothing), "file",
			[2]int{150000, 2150000}, [2]int{56250, 806250}, estimated},
		{"list without ranges", manifestOf("", `<SegmentList duration="4">`+strings.Repeat(`<SegmentURL media="x"/>`, 49)+`</SegmentList>`, nothing), "file",
			[2]int{150000, 2150000}, [2]int{56250, 806250}, estimated},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := ParseVideo([]byte(c.text), "file")
			if err != nil {
				t.Fatal(err)
			}
			if v.Name != c.video || v.Note != c.note {
				t.Errorf("got %q, note %q, want %q, note %q", v.Name, v.Note, c.video, c.note)
			}
			first := [2]int{v.ChunkBytes[0][0], v.ChunkBytes[5][0]}
			last := [2]int{v.ChunkBytes[0][Chunks], v.ChunkBytes[5][Chunks]}
			if first != c.first || last != c.last {
				t.Errorf("got %v to %v, want %v to %v", first, last, c.first, c.last)
			}
			if err := v.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestParseVideoBad(t *testing.T) {
	t.Parallel()
	template := func(attributes, inside string) string {
		return manifestOf("", "<SegmentTemplate "+attributes+">"+inside+"</SegmentTemplate>", nothing)
	}
	timeline := func(s string) string {
		return template("", "<SegmentTimeline>"+s+"</SegmentTimeline>")
	}
	good := template(`duration="4"`, "")
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "line 1: neither a table"},
		{"sizes", "181801\n", "line 1: neither a table"},
		{"too large", "{" + strings.Repeat(" ", maxVideoFile), "more than 4194304 bytes"},

		{"table, cut off", "{\n\"name\": \"x\",\n", "line 2: the file ends within the table"},
		{"table, syntax", "{\n\"name\": \"x\",\n\"kbps\": [300,,]}", "line 3: invalid character"},
		{"table, type", "{\n\"name\": \"x\",\n\"kbps\": [300, \"x\"]}", "line 3: string in kbps, want float64"},
		{"table, fraction of a byte", "{\"sizes_bytes\": [[1.5]]}", "line 1: number 1.5 in sizes_bytes, want int64"},
		{"table, infinite", "{\"kbps\": [1e999]}", "line 1: number 1e999 in kbps"},
		{"table, unknown", "{\"size\": 1}", `line 1: json: unknown field "size"`},
		{"table, more", tableOf(49, nil) + "\n{}", "line 2: more after the table"},
		{"table, empty", "{}", "chunk_ms is 0, the simulator plays chunks of 4000 ms"},
		{"table, chunks of 2 s", tableOf(49, func(t *videoTable) { t.ChunkMs = 2000 }), "chunk_ms is 2000, the simulator plays chunks of 4000 ms"},
		{"table, lists", tableOf(49, func(t *videoTable) { t.Kbps = t.Kbps[:5] }), "5 bitrates in kbps, 6 lists in sizes_bytes"},
		{"table, qualities", tableOf(49, func(t *videoTable) { t.Kbps, t.SizesBytes = t.Kbps[:5], t.SizesBytes[:5] }), "5 qualities, the simulator plays videos of 6"},
		{"table, bitrate", tableOf(49, func(t *videoTable) { t.Kbps[0] = 0 }), "kbps[0] is 0, want more than 0"},
		{"table, order", tableOf(49, func(t *videoTable) { t.Kbps[2] = 700 }), "sizes_bytes[2]: 700 kbit/s after 750"},
		{"table, too few", tableOf(47, nil), "sizes_bytes[0]: 47 chunks, the simulator plays videos of 48 (or 49, "},
		{"table, too many", tableOf(50, nil), "sizes_bytes[0]: 50 chunks"},
		{"table, uneven", tableOf(49, func(t *videoTable) { t.SizesBytes[3] = t.SizesBytes[3][:48] }), "sizes_bytes[3]: 48 chunks, the quality below has 49"},
		{"table, zero", tableOf(49, func(t *videoTable) { t.SizesBytes[3][7] = 0 }), "sizes_bytes[3]: chunk 7: size 0, want 1 to 1000000000 bytes"},
		{"table, huge", tableOf(49, func(t *videoTable) { t.SizesBytes[3][7] = 1e18 }), "sizes_bytes[3]: chunk 7: size 1000000000000000000"},

		{"manifest, cut off", good[:len(good)-20], "line 13: unexpected EOF"},
		{"manifest, syntax", strings.Replace(good, "<Period>", "<Period", 1), "line 5: "},
		{"manifest, entity", strings.Replace(good, `id="sound"`, `id="&x;"`, 1), "line 5: invalid character entity &x;"},
		{"another document", "<html></html>", "line 1: not a DASH manifest"},
		{"no period", "<MPD></MPD>", "0 periods, want 1"},
		{"no video", strings.ReplaceAll(good, "video/mp4", "text/vtt"), "0 adaptation sets of video, want 1"},
		{"two videos", strings.Replace(good, "audio/mp4", "video/mp4", 1), "2 adaptation sets of video, want 1"},
		{"tags", strings.Replace(good, `<Representation id="v5"`, `<Other id="v5"`, 1), "line 9: element <Other> closed by </Representation>"},
		{"five qualities", strings.Replace(good, "  </AdaptationSet>\n </Period>", "<Representation/></AdaptationSet></Period>", 1), "7 representations of video, the simulator plays videos of 6"},
		{"bandwidth", strings.Replace(good, "300000", "fast", 1), `representation "v0": bandwidth "fast", want bit/s`},
		{"no bandwidth", strings.Replace(good, "300000", "0", 1), `representation "v0": bandwidth "0"`},
		{"equal bandwidths", strings.Replace(good, "750000", "300000", 1), `representation "v1": 300 kbit/s after 300`},
		{"one file", manifestOf("", `<SegmentBase indexRange="0-99"/>`, nothing), `representation "v3": neither SegmentTemplate nor SegmentList`},
		{"no durations", template("", ""), "segments with neither duration nor SegmentTimeline"},
		{"no duration at all", strings.Replace(good, `mediaPresentationDuration="PT3M13.5S"`, "", 1), "the manifest has no duration"},
		{"strange duration", strings.Replace(good, "PT3M13.5S", "P1Y", 1), `duration "P1Y", want such as PT3M13.5S`},
		{"segments of 2 s", template(`duration="2"`, ""), `representation "v0": 97 chunks, the simulator plays videos of 48 (or 49`},
		{"segments of 4.3 s", strings.Replace(template(`duration="43" timescale="10"`, ""), "PT3M13.5S", "PT206.4S", 1), `representation "v0": chunk 0 lasts 4.3 s, the simulator plays chunks of 4 s`},
		{"too many segments", template(`duration="1" timescale="1000"`, ""), "more than 10000 segments"},
		{"timescale", template(`duration="1" timescale="0"`, ""), "timescale 0, want 1 or more"},
		{"fraction", template(`duration="1.5"`, ""), `duration "1.5", want a whole number`},
		{"numbers", template(`duration="4" startNumber="2" endNumber="1"`, ""), "endNumber 1 before startNumber 2"},
		{"timeline, many", timeline(`<S d="1" r="9007199254740991"/>`), "timeline entry 0: more than 10000 segments"},
		{"timeline, no d", timeline(`<S d="4" r="3"/><S r="1"/>`), `timeline entry 1: duration "", want 1 or more`},
		{"timeline, r", timeline(`<S d="4" r="-2"/>`), `timeline entry 0: r "-2", want a whole number`},
		{"timeline, backwards", timeline(`<S t="9" d="4" r="-1"/><S t="1" d="4"/>`), "timeline entry 0: repeated to the end, which is not known"},
		{"timeline, empty", timeline(""), `representation "v0": 0 chunks`},
		{"ranges, some", manifestOf("", "", func(q int) string {
			return strings.Replace(list(49, `duration="4"`)(q), "<SegmentURL mediaRange", "<SegmentURL media", 1)
		}), `representation "v3": segment 1: some segments have a mediaRange and some have none`},
		{"ranges, backwards", manifestOf("", "", func(q int) string {
			return strings.Replace(list(49, `duration="4"`)(q), `"800-`, `"99999-`, 1)
		}), `representation "v3": segment 0: mediaRange "99999-`},
		{"ranges, open", manifestOf("", "", func(q int) string {
			return strings.Replace(list(49, `duration="4"`)(q), `"800-`, `"800"x="`, 1)
		}), `representation "v3": segment 0: mediaRange "800", want first-last`},
		{"list and timeline", manifestOf("", "", func(q int) string {
			return strings.Replace(list(49, `timescale="90000"`)(q), "<SegmentURL", timeline48+"<SegmentURL", 1)
		}), "48 segments in the timeline, 49 in the list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseVideo([]byte(c.text), "some video")
			checkError(t, err, `video "some video": `, c.want)
		})
	}
}

func TestOpenVideoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if v := openVideo(t, "", write("a.json", tableOf(49, nil))); v.Name != "own" || v.ChunkBytes[2][7] != 3007 {
		t.Errorf("got %q, %d", v.Name, v.ChunkBytes[2][7])
	}
	if v := openVideo(t, "", write("b.mpd", manifestOf("", "", list(49, `duration="4"`)))); v.Name != "b" || v.ChunkBytes[2][7] != 3007 {
		t.Errorf("got %q, %d", v.Name, v.ChunkBytes[2][7])
	}
	path := write("c.json", "{")
	_, err := OpenVideo("", path)
	checkError(t, err, path+": line 1: ")
	_, err = ReadVideoFile(dir)
	checkError(t, err, dir+": not a regular file")
	_, err = ReadVideoFile(filepath.Join(dir, "none"))
	checkError(t, err, "no such file")
}

// FuzzVideo feeds the parser anything: what it accepts must be a valid video.
func FuzzVideo(f *testing.F) {
	for _, text := range []string{
		"", "{", "<MPD/>", tableOf(48, nil), tableOf(2, nil), manifestOf("", "", list(49, `duration="4"`)),
		manifestOf("", `<SegmentTemplate timescale="90000">`+timeline48+`</SegmentTemplate>`, nothing),
		manifestOf(`<SegmentTemplate duration="4"/>`, `<SegmentTemplate startNumber="0" endNumber="48"/>`, nothing),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ParseVideo(text, "fuzz")
		if err != nil {
			return
		}
		if err := v.Validate(); err != nil {
			t.Fatalf("accepted, but not valid: %v", err)
		}
	})
}
