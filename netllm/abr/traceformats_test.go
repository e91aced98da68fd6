// The formats of trace files, what each makes of its rows, and traces that are
// hard to play.

package abr

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"netllm/internal/golden"
)

const (
	// The numbers of the first three rows are those of a trace of fcc-train.
	hsdpaLog = "1289406399 549 59.851754 10.781778 289220 1010\n" +
		"1289406400 1559 59.851762 10.781780 171588 1010\n" +
		"1289406401\t2560\t59.9\t10.8\t365824\t1001\r\n" +
		"1289406412 12560 0 0 0 1000\n"
	mahimahiFile = "0\n0\n500\n1000\n1001\n3500\n3500\n3500\n"
	fccCSV       = "unit_id,dtime,target,address,fetch_time,bytes_total,bytes_sec,objects\n" +
		"386,\"2016-06-01 00:10:12\",http://www.msn.com,1.2.3.4,1500000,900000,125000,3\n" +
		"386,\"2016-06-01 01:10:12\",http://www.msn.com,1.2.3.4,1500000,900000,250000,3\n" +
		"386,\"2016-06-01, late\",http://www.msn.com,1.2.3.4,1500000,900000,0,3\n"
	pufferCSV = "time (ns GMT),session_id,index,expt_id,channel,video_ts,format,size,ssim_index,cwnd,in_flight,min_rtt,rtt,delivery_rate\n" +
		"1700000000000000001,a/b=,0,7,cbs,180180,1280x720-24,500000,0.98,10,0,30000,31000,0\n" +
		"1700000002002000001,a/b=,0,7,cbs,360360,1280x720-24,500000,0.98,10,0,30000,31000,1250000\n" +
		"1700000004000000002,a/b=,1,7,abc,540540,1280x720-24,500000,0.98,10,0,30000,31000,625000\n"
	plainCSV = "\ufeffTime_ms, Bandwidth_kbps ,note\n5000,300,x\n5500,750,\"x, \"\"y\"\"\"\n7000.5,0,\n"
)

func TestTraceFormats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		format     TraceFormat
		sec, mbps  []float64
	}{
		{"columns", "0\t1\n2.5\t2\n", FormatColumns, []float64{0, 2.5}, []float64{1, 2}},
		{"hsdpa", hsdpaLog, FormatHSDPA, []float64{0, 1.01, 2.011, 12.011}, []float64{2.29085148514, 1.35911287129, 2.92366833167, 0}},
		// (0, 1], (1, 2], nothing, (3, 3.5]: 4, 1 and 3 packets of 0.012 Mbit.
		{"mahimahi", mahimahiFile, FormatMahimahi, []float64{0, 1, 2, 3, 3.5}, []float64{0, 0.048, 0.012, 0, 0.072}},
		{"mahimahi, late and long idle", "5001\n5001\n90000\n", FormatMahimahi, []float64{0, 5, 6, 89, 90}, []float64{0, 0, 0.024, 0, 0.012}},
		{"mahimahi, one packet", "4000\n", FormatMahimahi, []float64{0, 3, 4}, []float64{0, 0, 0.012}},
		{"fcc", fccCSV, FormatCSV, []float64{0, 5, 10}, []float64{1, 2, 0}},
		{"puffer", pufferCSV, FormatCSV, []float64{0, 2.002, 4.000000001}, []float64{0, 10, 5}},
		{"plain csv", plainCSV, FormatCSV, []float64{0, 0.5, 2.0005}, []float64{0.3, 0.75, 0}},
		{"seconds and Mbit/s", "timestamp,throughput\n1700000000.25,1\n1700000001.75,2\n", FormatCSV, []float64{0, 1.5}, []float64{1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseTrace(strings.NewReader(c.text), "x")
			if err != nil {
				t.Fatal(err)
			}
			near := func(a, b float64) bool { return math.Abs(a-b) < 1e-11 }
			if !slices.EqualFunc(got.TimeSec, c.sec, near) || !slices.EqualFunc(got.Mbps, c.mbps, near) || got.Format != c.format {
				t.Errorf("got %v, %v (%s), want %v, %v (%s)", got.TimeSec, got.Mbps, got.Format, c.sec, c.mbps, c.format)
			}
			if err := got.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTraceFormatsBad(t *testing.T) {
	t.Parallel()
	const mean = "time_s,mbps\n"
	puffer := strings.SplitAfter(pufferCSV, "\n")
	for _, c := range []struct{ name, text, want string }{
		{"three fields", "1 2 3\n", "line 1: 3 fields: no known format"},
		{"a word", "trace\n", `line 1: mahimahi: "trace" is no packet's time`},

		{"hsdpa, fields", hsdpaLog + "1 2 3\n", "line 5: hsdpa: want six numbers, got 3 fields"},
		{"hsdpa, word", "1 2 north 4 5 6\n", `line 1: hsdpa: latitude "north" is not a number`},
		{"hsdpa, back", hsdpaLog + "1289406413 12000 0 0 1 1000\n", "line 5: hsdpa: time 11.451 does not increase"},
		{"hsdpa, negative", "1 -5 0 0 1 1000\n", "line 1: hsdpa: offset -5 ms"},
		{"hsdpa, not finite", "1 inf 0 0 1 1000\n", "line 1: hsdpa: offset +Inf ms"},
		{"hsdpa, bytes", hsdpaLog + "1 13000 0 0 -1 1000\n", "line 5: hsdpa: -1 bytes received"},
		{"hsdpa, bytes nan", hsdpaLog + "1 13000 0 0 nan 1000\n", "line 5: hsdpa: NaN bytes received"},
		{"hsdpa, bytes inf", hsdpaLog + "1 13000 0 0 inf 1000\n", "line 5: hsdpa: bandwidth +Inf is not finite"},
		{"hsdpa, no time", hsdpaLog + "1 13000 0 0 1 0\n", "line 5: hsdpa: 0 ms elapsed"},
		{"hsdpa, one row", hsdpaLog[:strings.Index(hsdpaLog, "\n")], "line 1: the file ends after 1 rows"},
		{"hsdpa, idle", "1 0 0 0 0 1000\n1 1000 0 0 0 1000\n", "carries 0 bytes"},

		{"mahimahi, back", "5\n7\n6\n", "line 3: mahimahi: time 6 ms goes back (the packet before has 7)"},
		{"mahimahi, negative", "-5\n", `line 1: mahimahi: "-5" is no packet's time`},
		{"mahimahi, fraction", "1\n1.5\n", `line 2: mahimahi: "1.5" is no`},
		{"mahimahi, fields", "1\n1 2\n", `line 2: mahimahi: "1 2" is no`},
		{"mahimahi, far", "1\n100000000001\n", "line 2: mahimahi: time 100000000001 ms is beyond 1e+08 s"},
		{"mahimahi, no time", "0\n0\n", "line 2: mahimahi: all packets at 0 ms"},
		{"mahimahi, too fast", "3\n", "lasts 0.003 s"},

		{"csv, header", "0,1\n1,2\n", `line 1: csv: no column of bandwidth in the header "0,1"; known: bandwidth, `},
		{"csv, no time", "mbps,x\n", `line 1: csv: no column of time in the header "mbps,x"; known: time, `},
		{"csv, two rates", "time,mbps,kbps\n", `line 1: csv: columns "mbps" and "kbps" both give the bandwidth`},
		{"csv, two times", "time,mbps,time_ms\n", `line 1: csv: columns "time" and "time_ms" both give the time`},
		{"csv, header alone", mean, "line 1: the file ends after 0 rows"},
		{"csv, one row", mean + "0,1\n", "line 2: the file ends after 1 rows"},
		{"csv, values", mean + "0,1\n1\n", "line 3: csv: 1 values under 2 names"},
		{"csv, empty value", mean + "0,1\n1,\n", `line 3: csv: mbps "" is not a number`},
		{"csv, rate", mean + "0,1\n1,-1\n", "line 3: csv: bandwidth -1 is negative"},
		{"csv, nan", mean + "0,1\n1,nan\n", "line 3: csv: bandwidth NaN is not finite"},
		{"csv, inf", mean + "0,1\ninf,1\n", "line 3: csv: time +Inf is not finite"},
		{"csv, negative time", mean + "-1,1\n", "line 2: csv: time -1 is negative"},
		{"csv, back", mean + "2,1\n1,1\n", "line 3: csv: time -1 is negative"},
		{"csv, repeated", mean + "2,1\n2,1\n", "line 3: csv: time 0 does not increase"},
		{"csv, open quote", mean + "0,\"1\n", "line 2: csv: a quotation mark is not closed"},
		{"csv, text after quote", mean + "0,\"1\"2\n", "line 2: csv: text after a closing quotation mark"},
		{"fcc, two units", fccCSV + "387,x,http://www.msn.com,1.2.3.4,1,1,1,3\n", `line 5: csv: unit_id is "387", in the rows before "386": a file is one trace`},
		{"fcc, word", fccCSV + "386,x,http://www.msn.com,1.2.3.4,1,1,fast,3\n", `line 5: csv: bytes_sec "fast" is not a number`},
		{"puffer, two sessions", pufferCSV + strings.ReplaceAll(puffer[3], "a/b=", "c="), `line 5: csv: session_id is "c="`},
		{"puffer, repeated", pufferCSV + puffer[3], "line 5: csv: time 4.000000001 does not increase"},
		{"puffer, idle", puffer[0] + puffer[1] + strings.ReplaceAll(puffer[2], "1250000", "0"), "carries 0 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseTrace(strings.NewReader(c.text), "some trace")
			checkError(t, err, `"some trace": `+c.want)
		})
	}
	_, err := parseTrace(strings.NewReader("0 1\n1 1\n2 1\n3 1\n"), 3)
	checkError(t, err, "line 4: more than 3 rows")
}

// TestMixedFolder reads a file of each format from one folder, and plays them.
func TestMixedFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a": "0\t1\n1\t2\n", "b.log": hsdpaLog, "c.mahi": mahimahiFile, "d.csv": fccCSV, "e.csv": pufferCSV,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set := openTraces(t, "", dir)
	var formats []TraceFormat
	for _, tr := range set.Traces {
		formats = append(formats, tr.Format)
	}
	if want := []TraceFormat{FormatColumns, FormatHSDPA, FormatMahimahi, FormatCSV, FormatCSV}; !slices.Equal(formats, want) {
		t.Errorf("got formats %q, want %q", formats, want)
	}
	sessions, err := set.Sessions(Plan{})
	if err != nil {
		t.Fatal(err)
	}
	env, err := NewEnv(EnvConfig{Video: SynthVideo("x", 1, 1), Sessions: sessions})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sessions {
		playThrough(t, env, s)
	}

	if err := os.WriteFile(filepath.Join(dir, "c.mahi"), []byte("1\nx\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = OpenTraces("", dir)
	checkError(t, err, filepath.Join(dir, "c.mahi")+": line 2: mahimahi: ")
}

// playThrough plays session s to its end and returns the last chunk.
func playThrough(t *testing.T, env *Env, s Session) Chunk {
	t.Helper()
	if _, err := env.ResetSession(s, 1); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		step, err := env.Step(n % Qualities)
		if err != nil {
			t.Fatal(err)
		}
		if step.Terminated {
			return step.Obs.Last
		}
	}
}

// TestHSDPAConversion takes those traces of the training set that were made of
// logs. Nearly all of their rows must be whole bytes over the ms since the row
// before (the others took other times than that), and logs made of them give the
// traces back.
func TestHSDPAConversion(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(golden.Data(t, "abr/traces/fcc-train"), "*report*.log"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d logs, %v", len(files), err)
	}
	cases, whole, rows := 0, 0, 0
	for _, file := range files {
		want, err := ReadTrace(file)
		if err != nil {
			t.Fatal(err)
		}
		var log []byte
		elapsed := 1000.0
		for i, sec := range want.TimeSec {
			if i > 0 {
				elapsed = math.Round((sec - want.TimeSec[i-1]) * 1000)
			}
			exact := want.Mbps[i] * elapsed * 125
			received := math.Round(exact)
			if rows++; math.Abs(exact-received) < 1e-4 {
				whole++
			}
			log = strconv.AppendInt(append(log, "1289406399 "...), int64(math.Round(sec*1000))+77, 10)
			log = strconv.AppendInt(append(log, " 59.9 10.7 "...), int64(received), 10)
			log = append(strconv.AppendInt(append(log, ' '), int64(elapsed), 10), '\n')
		}
		got, err := ParseTrace(strings.NewReader(string(log)), want.Name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want.TimeSec {
			if math.Abs(got.TimeSec[i]-want.TimeSec[i]) > 1e-9 || math.Abs(got.Mbps[i]-want.Mbps[i]) > 0.001 {
				t.Fatalf("%s, row %d: got %v, %v, want %v, %v", want.Name, i, got.TimeSec[i], got.Mbps[i], want.TimeSec[i], want.Mbps[i])
			}
		}
		cases++
	}
	if whole < rows*95/100 {
		t.Errorf("%d of %d rows are whole bytes", whole, rows)
	}
	golden.Cases(t, cases)
}

// rowStream writes rows of 10 ms without keeping them.
type rowStream struct {
	rows, next int
	left       []byte
}

func (r *rowStream) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		if r.next == r.rows {
			return 0, io.EOF
		}
		buf := r.left[:0]
		for end := min(r.next+1000, r.rows); r.next < end; r.next++ {
			buf = strconv.AppendInt(buf, int64(r.next/100), 10)
			buf = append(buf, '.', byte('0'+r.next/10%10), byte('0'+r.next%10), ' ', byte('1'+r.next%7), '\n')
		}
		r.left = buf
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// TestLongTrace reads ten million rows and plays from the last of them.
func TestLongTrace(t *testing.T) {
	if testing.Short() {
		t.Skip("ten million rows")
	}
	t.Parallel()
	const rows = 10_000_000
	tr, err := ParseTrace(&rowStream{rows: rows}, "long")
	if err != nil {
		t.Fatal(err)
	}
	if tr.Rows() != rows || tr.TimeSec[rows-1] != 99999.99 {
		t.Fatalf("got %d rows to %v s", tr.Rows(), tr.TimeSec[rows-1])
	}
	if size := 8 * (cap(tr.TimeSec) + cap(tr.Mbps)); size > 3*16*rows/2 {
		t.Errorf("%d bytes are kept for %d rows", size, rows)
	}
	set := &TraceSet{Name: "long", Traces: []*Trace{tr}}
	sessions, err := set.Sessions(Plan{Start: StartRandom, Episodes: 1000, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	env, err := NewEnv(EnvConfig{Video: SynthVideo("x", 1, 1), Sessions: sessions})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range append(sessions, Session{tr, rows - 1}) {
		playThrough(t, env, s)
	}
	if c := playThrough(t, env, Session{tr, rows - 1}); c.TraceRow >= rows/2 {
		t.Errorf("the session from the last row ends at row %d", c.TraceRow)
	}
}

// TestEndlessSessions wants an error where a download would not come to its end
// in years.
func TestEndlessSessions(t *testing.T) {
	t.Parallel()
	const rows = 1 << 20
	slow := &Trace{Name: "slow", TimeSec: make([]float64, rows), Mbps: make([]float64, rows)}
	dense := &Trace{Name: "dense", TimeSec: make([]float64, rows), Mbps: make([]float64, rows)}
	for i := range rows {
		slow.TimeSec[i], slow.Mbps[i] = float64(i), 1.5e-8 // 2 kB in twelve days
		dense.TimeSec[i], dense.Mbps[i] = float64(i)*1e-7, 1000
	}
	video := SynthVideo("x", 1, 1)
	for _, tr := range []*Trace{slow, dense} {
		if err := tr.Validate(); err != nil {
			t.Fatalf("%s: %v, want a trace that is valid in itself", tr.Name, err)
		}
		_, err := NewEnv(EnvConfig{Video: video, Sessions: []Session{{tr, 1}}})
		checkError(t, err, `trace "`+tr.Name+`": a session could pass`, `video "x"`)
		mpc, err := NewFactory("mpc", PolicyConfig{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Evaluate(t.Context(), mpc, video, []Session{{tr, 1}}, EvalOptions{})
		checkError(t, err, `trace "`+tr.Name+`": a session could pass`)
	}
	idle := &TraceSet{Name: "idle", Traces: []*Trace{{Name: "zero", TimeSec: []float64{0, 1, 2}, Mbps: []float64{5, 0, 0}}}}
	_, err := idle.Sessions(Plan{})
	checkError(t, err, `trace "zero": carries 0 bytes after row 0`)
}
