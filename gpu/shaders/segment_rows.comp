#version 450
#extension GL_GOOGLE_include_directive : require
//build: segment_exp -DEXP
//build: segment_quotient -DQUOTIENT
//build: segment_max_backward -DBACKWARD
// Each row i of y [n, d] from the row ids[i] - first of t [count, d], for ids of those rows; the
// others are passed over. With EXP y = exp(x - t), with QUOTIENT y = y / t, and with BACKWARD
// y+ = t where the row is the one of rows [count, d], which has the numbers from + i, else 0.
#include "exp.glsl"
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) buffer Y { float y[]; };
layout(set = 0, binding = 1, std430) readonly buffer T { float t[]; };
layout(set = 0, binding = 2, std430) readonly buffer I { uint ids[]; };
#ifdef EXP
layout(set = 0, binding = 3, std430) readonly buffer X { float x[]; };
#endif
#ifdef BACKWARD
layout(set = 0, binding = 3, std430) readonly buffer R { int rows[]; };
#endif
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, to, io;
#ifndef QUOTIENT
	uint o3;
#endif
	uint n, d, first, count, from, add;
} p;

void main() {
	for (uint i = gl_GlobalInvocationID.x; i < p.n * p.d; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
		const uint row = i / p.d, id = ids[p.io + row] - p.first;
		if (id >= p.count)
			continue;
		const uint at = id * p.d + i - row * p.d;
		const float value = t[p.to + at];
#ifdef EXP
		y[p.yo + i] = exponential(x[p.o3 + i] - value);
#endif
#ifdef QUOTIENT
		y[p.yo + i] /= value;
#endif
#ifdef BACKWARD
		const float g = rows[p.o3 + at] == int(p.from + row) ? value : 0;
		y[p.yo + i] = p.add != 0 ? g + y[p.yo + i] : g;
#endif
	}
}
