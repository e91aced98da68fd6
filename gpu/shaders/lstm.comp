#version 450
#extension GL_GOOGLE_include_directive : require
// The state T0 [rows, 2*width] that follows the cells of T2, given the gates T1 [rows, 4*width].
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) writeonly buffer Next { float next[]; };
layout(set = 0, binding = 1, std430) readonly buffer Gates { float gates[]; };
layout(set = 0, binding = 2, std430) readonly buffer State { float state[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint nexto, gateso, stateo;
	uint rows, width;
} p;
#include "lstm.glsl"

void main() {
	for (uint i = gl_GlobalInvocationID.x; i < p.rows * p.width; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
		CELL(i);
		next[p.nexto + 2 * row * p.width + column] = s.w * t;
		next[p.nexto + (2 * row + 1) * p.width + column] = after;
	}
}
