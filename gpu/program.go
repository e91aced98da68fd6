// Commands, put together in batches, recorded once, and submitted again when the
// next batch is the same but for its numbers.

package gpu

import (
	"fmt"
	"math"
	"slices"

	"netllm/gpu/internal/vk"
)

const (
	slotBytes   = 4 * maxParams // parameters of one dispatch; the largest alignment of a uniform buffer's offset
	firstBatch  = 16            // commands in the first submission after a wait, so that the device begins early
	maxBatch    = 256           // commands in one submission
	maxPrograms = 64            // recorded batches that are kept
)

type commandKind uint8

const (
	dispatchCommand commandKind = iota
	fillCommand                 // zeros
	uploadCommand               // from the program's host memory
	downloadCommand             // to the backend's readback memory
)

// command is one entry of a batch. Everything in it is recorded; what may differ
// from time to time, parameters and uploaded bytes, lies in the program's memory.
type command struct {
	kind     commandKind
	barrier  bool // waits for the commands before
	pipeline *pipeline
	set      vk.DescriptorSet
	groups   [3]uint32
	slot     int // of the parameters

	buffer, host       vk.Buffer // of a transfer
	offset, from, size uint64    // in buffer; in host
}

// batch is what has been asked for and not submitted.
type batch struct {
	commands []command
	params   []uint32 // maxParams for each dispatch
	upload   []byte
	hazards  hazards
	hash     uint64
	limit    int    // commands at which it is submitted
	works    []work // what each dispatch does, if times are measured
}

// program is a recorded batch.
type program struct {
	commands []command
	hash     uint64
	works    []work

	buffer vk.CommandBuffer
	fence  vk.Fence
	host   span // parameters, then uploaded bytes
	params span // the device's copy of the parameters, or host itself
	set    vk.DescriptorSet
	times  vk.QueryPool // two for each dispatch, if times are measured

	pending bool   // submitted, and not known to be done
	used    uint64 // when it was submitted last, in submissions
}

// record appends a dispatch.
func (b *Backend) record(d *dispatch, groups [3]uint32) {
	pl, err := b.pipelines.get(d)
	if err != nil {
		b.fail(err)
		return
	}
	set, full, err := b.sets.get(d)
	if full {
		b.forget()
		set, _, err = b.sets.get(d)
	}
	if err != nil {
		b.fail(err)
		return
	}
	n := &b.batch
	barrier := b.profile != nil
	for _, use := range d.bind[:d.nbind] {
		barrier = barrier || n.hazards.meets(use.span, use.reads, use.writes)
	}
	if barrier {
		n.hazards.clear()
	}
	for _, use := range d.bind[:d.nbind] {
		n.hazards.add(use.span, use.reads, use.writes)
	}
	slot := len(n.params) / maxParams
	n.params = append(n.params, d.offset[:d.nbind]...)
	n.params = append(n.params, d.param[:d.nparam]...)
	for len(n.params) < (slot+1)*maxParams {
		n.params = append(n.params, 0)
	}
	if b.profile != nil {
		n.works = append(n.works, b.workOf(d))
	}
	b.push(command{kind: dispatchCommand, barrier: barrier, pipeline: pl, set: set, groups: groups, slot: slot})
}

// transfer appends a command that copies or fills the span.
func (b *Backend) transfer(c command, s span, writes bool) {
	n := &b.batch
	c.buffer, c.offset, c.size = s.block.buffer, s.offset, s.size
	if c.barrier = n.hazards.meets(s, !writes, writes); c.barrier {
		n.hazards.clear()
	}
	n.hazards.add(s, !writes, writes)
	b.push(c)
}

// push appends a command and submits the batch if it is long.
func (b *Backend) push(c command) {
	n := &b.batch
	n.hash = mix(n.hash, uint64(c.kind), uint64(c.set), c.offset, c.size, uint64(c.groups[0])<<40^uint64(c.groups[1])<<20^uint64(c.groups[2]))
	n.commands = append(n.commands, c)
	if len(n.commands) >= n.limit {
		b.flush()
		n.limit = min(2*n.limit, maxBatch)
	}
}

func mix(h uint64, values ...uint64) uint64 {
	for _, v := range values {
		h = (h ^ v) * 0x9E3779B97F4A7C15
		h ^= h >> 29
	}
	return h
}

// clear empties the batch.
func (n *batch) clear() {
	n.commands, n.params, n.upload, n.works, n.hash = n.commands[:0], n.params[:0], n.upload[:0], n.works[:0], 0
	n.hazards.clear()
}

// flush submits the batch.
func (b *Backend) flush() {
	n := &b.batch
	if len(n.commands) == 0 || b.err != nil {
		n.clear()
		return
	}
	p, err := b.programOf(n)
	if err == nil {
		err = b.submit(p, n)
	}
	n.clear()
	if err != nil {
		b.fail(err)
	}
}

func (b *Backend) submit(p *program, n *batch) error {
	host := p.host.bytes()
	copy(host, bytesOf(n.params))
	copy(host[slotBytes*(len(n.params)/maxParams):], n.upload)
	p.works = append(p.works[:0], n.works...)
	if err := b.dev.ResetFence(p.fence); err != nil {
		return err
	}
	if err := b.dev.Submit(p.buffer, p.fence); err != nil {
		return err
	}
	b.submissions++
	p.pending, p.used, b.last = true, b.submissions, p
	return nil
}

// programOf returns a program for the batch that is not being executed: one that
// was recorded before if there is one.
func (b *Backend) programOf(n *batch) (*program, error) {
	for _, p := range b.programs {
		if p.hash == n.hash && slices.Equal(p.commands, n.commands) {
			b.replays++
			return p, b.wait(p)
		}
	}
	var p *program
	if len(b.programs) < maxPrograms {
		p = &program{}
		var err error
		if p.buffer, err = b.dev.AllocateCommandBuffer(b.commandPool); err != nil {
			return nil, err
		}
		b.programs = append(b.programs, p) // from here on Close gives back what it has
		if p.fence, err = b.dev.CreateFence(); err != nil {
			return nil, err
		}
		if p.set, err = b.dev.AllocateDescriptorSet(b.paramPool, b.pipelines.params); err != nil {
			return nil, err
		}
	} else {
		p = slices.MinFunc(b.programs, func(p, q *program) int { return int(int64(p.used - q.used)) })
		if err := b.wait(p); err != nil {
			return nil, err
		}
	}
	p.hash, p.commands = 0, p.commands[:0] // nothing, should an error leave it half recorded
	if err := b.makeRoom(p, n); err != nil {
		return nil, err
	}
	if err := b.recordProgram(p, n); err != nil {
		return nil, err
	}
	p.hash, p.commands = n.hash, append(p.commands, n.commands...)
	return p, nil
}

// makeRoom gives the program memory for the batch's parameters and uploads.
func (b *Backend) makeRoom(p *program, n *batch) error {
	params := uint64(len(n.params) / maxParams * slotBytes)
	need := params + uint64(len(n.upload))
	if p.host.size < need || p.host.block == nil {
		if p.host.block != nil {
			b.hostMemory.release(p.host)
			p.host = span{}
		}
		var err error
		if p.host, err = b.hostMemory.alloc(roomFor(need)); err != nil {
			return err
		}
	}
	at := p.host
	if !b.hostIsLocal {
		if p.params.size < params || p.params.block == nil {
			if p.params.block != nil {
				b.memory.release(p.params)
				p.params = span{}
			}
			var err error
			if p.params, err = b.memory.alloc(roomFor(params)); err != nil {
				return err
			}
		}
		at = p.params
	}
	b.dev.UpdateDescriptorSet(p.set, vk.UniformBufferDynamic, []vk.BufferRange{{Buffer: at.block.buffer, Offset: at.offset, Size: slotBytes}})
	return nil
}

// roomFor returns a size to reserve, so that few sizes are in use.
func roomFor(n uint64) uint64 {
	size := uint64(16 << 10)
	for size < n {
		size *= 2
	}
	return size
}

const (
	deviceStages = vk.StageCompute | vk.StageTransfer
	deviceWrites = vk.ShaderWrite | vk.TransferWrite
	deviceReads  = vk.ShaderRead | vk.UniformRead | vk.TransferRead
)

// recordProgram writes the batch's commands to the program's command buffer.
func (b *Backend) recordProgram(p *program, n *batch) error {
	c := p.buffer
	if err := b.dev.BeginCommandBuffer(c); err != nil {
		return err
	}
	params := uint64(len(n.params) / maxParams * slotBytes)
	if params > 0 && !b.hostIsLocal {
		b.dev.CmdBarrier(c, deviceStages, vk.StageTransfer, 0, 0) // its last use is over
		b.dev.CmdCopyBuffer(c, p.host.block.buffer, p.params.block.buffer, p.host.offset, p.params.offset, params)
	}
	b.dev.CmdBarrier(c, deviceStages, deviceStages, deviceWrites, deviceReads|deviceWrites) // what was submitted before
	if err := b.beginTimes(p, n); err != nil {
		return err
	}
	var bound *pipeline
	var sets [2]vk.DescriptorSet
	var offset [1]uint32
	downloads := false
	for i := range n.commands {
		cmd := &n.commands[i]
		if cmd.barrier {
			b.dev.CmdBarrier(c, deviceStages, deviceStages, deviceWrites, deviceReads|deviceWrites)
		}
		switch cmd.kind {
		case dispatchCommand:
			if bound != cmd.pipeline {
				b.dev.CmdBindPipeline(c, cmd.pipeline.handle)
				bound = cmd.pipeline
			}
			sets, offset[0] = [2]vk.DescriptorSet{cmd.set, p.set}, uint32(cmd.slot*slotBytes)
			b.dev.CmdBindSets(c, bound.layout, sets[:], offset[:])
			b.time(p, cmd.slot, 0)
			b.dev.CmdDispatch(c, cmd.groups[0], cmd.groups[1], cmd.groups[2])
			b.time(p, cmd.slot, 1)
		case fillCommand:
			b.dev.CmdFillBuffer(c, cmd.buffer, cmd.offset, cmd.size, 0)
		case uploadCommand:
			b.dev.CmdCopyBuffer(c, p.host.block.buffer, cmd.buffer, p.host.offset+params+cmd.from, cmd.offset, cmd.size)
		case downloadCommand:
			downloads = true
			b.dev.CmdCopyBuffer(c, cmd.buffer, cmd.host, cmd.offset, cmd.from, cmd.size)
		}
	}
	if downloads {
		b.dev.CmdBarrier(c, vk.StageTransfer, vk.StageHost, vk.TransferWrite, vk.HostRead)
	}
	return b.dev.EndCommandBuffer(c)
}

// wait waits until the program's last submission is done.
func (b *Backend) wait(p *program) error {
	if !p.pending {
		return nil
	}
	for {
		ok, err := b.dev.WaitFence(p.fence, math.MaxUint64)
		if err != nil {
			return err
		}
		if ok {
			p.pending = false
			return b.readTimes(p)
		}
	}
}

// finish submits what is left and waits for everything.
func (b *Backend) finish() error {
	b.flush()
	b.batch.limit = firstBatch
	if b.err != nil {
		return b.err
	}
	if b.last != nil {
		if err := b.wait(b.last); err != nil { // the queue works in order
			b.fail(err)
			return b.err
		}
	}
	if err := b.waitUploads(); err != nil {
		b.fail(err)
		return b.err
	}
	if b.profile != nil { // the times of all of them
		return b.waitAll()
	}
	return nil
}

// waitAll waits for every program.
func (b *Backend) waitAll() error {
	for _, p := range b.programs {
		if err := b.wait(p); err != nil {
			b.fail(err)
			return b.err
		}
	}
	return nil
}

// forget waits for the device and drops all recorded programs and descriptor
// sets, and memory that is not in use.
func (b *Backend) forget() {
	if b.finish() != nil || b.waitAll() != nil {
		return
	}
	b.dropPrograms()
	b.sets.clear()
	b.memory.trim()
}

// dropPrograms destroys all programs. The device must be idle, or lost.
func (b *Backend) dropPrograms() {
	for _, p := range b.programs {
		if p.fence != 0 {
			b.dev.DestroyFence(p.fence)
		}
		if p.times != 0 {
			b.dev.DestroyQueryPool(p.times)
		}
		b.dev.FreeCommandBuffer(b.commandPool, p.buffer)
		if p.host.block != nil {
			b.hostMemory.release(p.host)
		}
		if p.params.block != nil {
			b.memory.release(p.params)
		}
	}
	b.programs, b.last = nil, nil
	if err := b.dev.ResetDescriptorPool(b.paramPool); err != nil {
		b.fail(fmt.Errorf("parameters: %w", err))
	}
}
