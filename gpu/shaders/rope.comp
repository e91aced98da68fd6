#version 450
#extension GL_GOOGLE_include_directive : require
// Head vectors of T1 [batch, seq, heads, d] rotated into T0+: a pair of elements per invocation by the
// angle whose cosine and sine T2 [seq, r/2, 2] holds, or one of the last d-r elements, copied.
#include "divide.glsl"
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) buffer Y { float y[]; };
layout(set = 0, binding = 1, std430) readonly buffer X { float x[]; };
layout(set = 0, binding = 2, std430) readonly buffer T { float table[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, xo, tableo;
	uint len;                            // batch * seq * heads * units
	uvec4 dim, multiplier, shift;        // batch, seq, heads, and units: r/2 pairs and d-r elements
	uvec4 ys, xs;                        // strides
	uint pairs, next, apart, accumulate; // from a pair's first element to the next pair's, and to its own second
	float sign;
} p;

void main() {
	for (uint i = gl_GlobalInvocationID.x; i < p.len; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
		uint row = quotient(i, p.multiplier.w, p.shift.w), j = i - row * p.dim.w;
		uint token = quotient(row, p.multiplier.z, p.shift.z), head = row - token * p.dim.z;
		uint batch = quotient(token, p.multiplier.y, p.shift.y), t = token - batch * p.dim.y;
		uint to = p.yo + batch * p.ys.x + t * p.ys.y + head * p.ys.z;
		uint from = p.xo + batch * p.xs.x + t * p.xs.y + head * p.xs.z;
		if (j >= p.pairs) {
			j += p.pairs;
			float v = x[from + j * p.xs.w];
			y[to + j * p.ys.w] = p.accumulate != 0 ? v + y[to + j * p.ys.w] : v;
			continue;
		}
		uint angle = p.tableo + 2 * (t * p.pairs + j);
		float c = table[angle], s = p.sign * table[angle + 1];
		uint i0 = j * p.next, i1 = i0 + p.apart;
		float x0 = x[from + i0 * p.xs.w], x1 = x[from + i1 * p.xs.w];
		float y0 = x0 * c - x1 * s, y1 = x0 * s + x1 * c;
		i0 = to + i0 * p.ys.w;
		i1 = to + i1 * p.ys.w;
		if (p.accumulate != 0) {
			y0 += y[i0];
			y1 += y[i1];
		}
		y[i0] = y0;
		y[i1] = y1;
	}
}
