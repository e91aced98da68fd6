#version 450
// OpAttentionBackward, first step: D [batch, heads, seq] = the sums over a head's elements
// of T3 (the gradient) times T7 (the result). 16 invocations have one row, and the size of
// a workgroup is a multiple of that.
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) writeonly buffer D { float delta[]; };
layout(set = 0, binding = 1, std430) readonly buffer G { float g[]; };
layout(set = 0, binding = 2, std430) readonly buffer O { float o[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint deltao, go, oo;
	uint gb, gt, gh, ob, ot, oh;                           // steps by sequence, token, head
	uint rows, heads, seq, d;                              // rows of all sequences and heads
} p;
shared float part[gl_WorkGroupSize.x];

void main() {
	uint tid = gl_LocalInvocationIndex, lane = tid % 16, teams = gl_WorkGroupSize.x / 16;
	for (uint r0 = gl_WorkGroupID.x * teams; r0 < p.rows; r0 += gl_NumWorkGroups.x * teams) {
		uint r = r0 + tid / 16;
		float sum = 0;
		if (r < p.rows) {
			uint t = r % p.seq, h = r / p.seq % p.heads, b = r / p.seq / p.heads;
			uint ga = p.go + b * p.gb + t * p.gt + h * p.gh, oa = p.oo + b * p.ob + t * p.ot + h * p.oh;
			for (uint c = lane; c < p.d; c += 16)
				sum += g[ga + c] * o[oa + c];
		}
		barrier();
		part[tid] = sum;
		barrier();
		if (lane == 0 && r < p.rows) {
			for (uint i = 1; i < 16; i++)
				sum += part[tid + i];
			delta[p.deltao + r] = sum;
		}
	}
}
