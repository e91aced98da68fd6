#version 450
#extension GL_GOOGLE_include_directive : require
// The gradients T0+ of the gates and T1+ of the state before, from the gradient T2 of the state after,
// T3 = gates, T4 = state before.
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) buffer DGates { float dgates[]; };
layout(set = 0, binding = 1, std430) buffer DState { float dstate[]; };
layout(set = 0, binding = 2, std430) readonly buffer DNext { float dnext[]; };
layout(set = 0, binding = 3, std430) readonly buffer Gates { float gates[]; };
layout(set = 0, binding = 4, std430) readonly buffer State { float state[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint dgateso, dstateo, dnexto, gateso, stateo;
	uint rows, width;
	uint wanted, accumulate; // bit i: output i
} p;
#include "lstm.glsl"

void main() {
	for (uint i = gl_GlobalInvocationID.x; i < p.rows * p.width; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
		CELL(i);
		uint here = 2 * row * p.width + column;
		float dh = dnext[p.dnexto + here];
		float dc = dnext[p.dnexto + here + p.width] + dh * s.w * (1 - t) * (1 + t);
		if ((p.wanted & 1) != 0) {
			vec4 d = vec4(dc * cell * s.x * rest.x, dc * before * s.y * rest.y, dc * s.x * (1 - cell) * (1 + cell), dh * t * s.w * rest.w);
			for (uint j = 0; j < 4; j++) {
				uint to = p.dgateso + row * 4 * p.width + j * p.width + column;
				dgates[to] = d[j] + ((p.accumulate & 1) != 0 ? dgates[to] : 0);
			}
		}
		if ((p.wanted & 2) != 0) {
			uint to = p.dstateo + here;
			bool add = (p.accumulate & 2) != 0;
			if (!add)
				dstate[to] = 0;
			dstate[to + p.width] = dc * s.y + (add ? dstate[to + p.width] : 0);
		}
	}
}
