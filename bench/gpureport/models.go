// Whole models: tokens per second, beside llama.cpp's in the same run.

package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"netllm/bench/internal/document"
	"netllm/bench/model"
	"netllm/bench/work"
	"netllm/ops"
)

const notMeasured = "not measured"

// rates are what the rounds of one model gave, in tokens per second.
type rates struct{ prefill, decode []float64 }

// traffic is what decoding asked of the driver besides computing.
type traffic struct {
	bytes         int64 // between host and device
	all, replayed uint64
	tokens        int
}

func modelsSection(r *run) (string, error) {
	t := document.NewTable("model", "phase", "netllm tokens/s", "llama.cpp tokens/s", "ratio", "of copying", "bytes moved per token", "submissions recorded before")
	limit, err := r.bandwidth()
	var failed []error
	if err != nil {
		failed = append(failed, fmt.Errorf("copying: %w", err))
	}
	peer := findPeer(r.peer)
	for _, name := range r.models {
		progress("%s", name)
		m, err := r.measureModel(name, peer)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
		}
		if m == nil {
			continue
		}
		decode := median(m.ours.decode)
		t.Add(name.String(), fmt.Sprintf("prompt of %d", m.prompt), document.Number(median(m.ours.prefill)), rate(m.peer.prefill),
			ratio(m.ours.prefill, m.peer.prefill), "–", "–", "–")
		t.Add(name.String(), "decode", document.Number(decode), rate(m.peer.decode), ratio(m.ours.decode, m.peer.decode),
			document.Share(decode*m.bytes, limit), document.Number(m.traffic.perToken()), m.traffic.share())
	}
	text := t.String() + fmt.Sprintf("\n%d tokens one after another from the first on; the logits are read back after each. \"Of copying\" is the rate at which"+
		" weights are read beside the bytes that copying reads and writes.", r.tokens)
	if peer == "" {
		text += "\nllama.cpp's Vulkan build was not there; `bench/gpureport/peer.sh` makes it."
	}
	if t.Len() == 0 {
		text = ""
	}
	return text, errors.Join(failed...)
}

// rate is the median of rates, if there are any.
func rate(values []float64) string {
	if len(values) == 0 {
		return notMeasured
	}
	return document.Number(median(values))
}

// ratio is the median of the ratios of the rounds, with the smallest and largest.
// Both sides must have measured every round.
func ratio(ours, peer []float64) string {
	if len(peer) == 0 || len(ours) != len(peer) {
		return notMeasured
	}
	list := make([]float64, len(ours))
	for i := range ours {
		list[i] = ours[i] / peer[i]
	}
	return fmt.Sprintf("**%.2f** (%.2f to %.2f)", median(list), slices.Min(list), slices.Max(list))
}

func (t traffic) perToken() float64 { return float64(t.bytes) / float64(t.tokens) }

func (t traffic) share() string {
	if t.all == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %% of %.1f per token", 100*float64(t.replayed)/float64(t.all), float64(t.all)/float64(t.tokens))
}

type measured struct {
	ours, peer rates
	traffic    traffic
	bytes      float64 // of weights that a token is multiplied by
	prompt     int
}

// measureModel measures both sides in every round, the one that was first being
// the second in the next. If the peer fails, our side is still measured.
func (r *run) measureModel(name modelName, peer string) (*measured, error) {
	path, err := model.Cached(r.dir, name.shape, name.dtype)
	if err != nil {
		return nil, err
	}
	b, err := r.open()
	if err != nil {
		return nil, err
	}
	defer b.Close()
	m, err := work.Open(b, path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	out := &measured{prompt: min(r.prompt, m.MaxPositions())}
	tokens := min(r.tokens, m.MaxPositions())
	prefill, err := m.Prefill(b, out.prompt)
	if err != nil {
		return nil, err
	}
	defer prefill.Close()
	decode, err := m.Decode(b, 0, tokens)
	if err != nil {
		return nil, err
	}
	defer decode.Close()
	out.bytes = decode.Bytes
	ours := func() error {
		seconds, err := repeat(b, prefill, 1)
		if err != nil {
			return err
		}
		before := b.Counters().BytesTransferred
		all, replayed := b.Submissions()
		each, err := repeat(b, decode, tokens)
		if err != nil {
			return err
		}
		nowAll, nowReplayed := b.Submissions()
		out.traffic.bytes += b.Counters().BytesTransferred - before
		out.traffic.all += nowAll - all
		out.traffic.replayed += nowReplayed - replayed
		out.traffic.tokens += tokens
		out.ours.prefill = append(out.ours.prefill, float64(out.prompt)/seconds)
		out.ours.decode = append(out.ours.decode, 1/each)
		return nil
	}
	var peerErr error
	theirs := func() {
		if peer == "" || peerErr != nil {
			return
		}
		p, d, err := runPeer(peer, r.device, path, out.prompt, tokens)
		if err != nil {
			peerErr = err
			return
		}
		out.peer.prefill, out.peer.decode = append(out.peer.prefill, p), append(out.peer.decode, d)
	}
	if err := ours(); err != nil { // compiles and records
		return nil, err
	}
	out.ours, out.traffic = rates{}, traffic{}
	for round := range r.rounds {
		if round%2 == 1 {
			theirs()
		}
		if err := ours(); err != nil {
			return nil, err
		}
		if round%2 == 0 {
			theirs()
		}
	}
	if peerErr != nil {
		out.peer = rates{}
	}
	return out, peerErr
}

// repeat does w so many times and returns the seconds of one.
func repeat(b ops.Backend, w *work.Work, count int) (float64, error) {
	began := time.Now()
	for range count {
		if err := w.Do(); err != nil {
			return 0, err
		}
	}
	err := b.Sync()
	return time.Since(began).Seconds() / float64(count), err
}
