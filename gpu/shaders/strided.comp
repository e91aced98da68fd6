#version 450
#extension GL_GOOGLE_include_directive : require
//build: fill -DFILL
//build: copy -DCOPY
//build: add -DADD
// Views of one shape, up to four dimensions:
// FILL: T0 = value. COPY: T0+ = value * T1. ADD: T0 = T1 + T2; T0 may be T1 or T2.
#include "tensor.glsl"
#include "divide.glsl"
TENSOR(0, , y)
TENSOR(1, readonly, a)
TENSOR(2, readonly, b)
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, ao, bo;
	uint len;
	uvec4 dim, multiplier, shift; // of dimensions, the last innermost, and what divides by them
	uvec4 ys, as, bs;             // strides
	uint rank, quads, accumulate; // the last rank dimensions count; quads: elements lie in groups of four neighbours
	float value;
} p;
#define ALIGNED (p.quads != 0 && ((p.yo | p.ao | p.bo) & 3) == 0)

// place returns the indices of element i.
uvec4 place(uint i) {
	uvec4 at = uvec4(0, 0, 0, i);
	if (p.rank > 1) {
		at.z = quotient(i, p.multiplier.w, p.shift.w);
		at.w = i - at.z * p.dim.w;
	}
	if (p.rank > 2) {
		at.y = quotient(at.z, p.multiplier.z, p.shift.z);
		at.z -= at.y * p.dim.z;
	}
	if (p.rank > 3) {
		at.x = quotient(at.y, p.multiplier.y, p.shift.y);
		at.y -= at.x * p.dim.y;
	}
	return at;
}

uint offset(uvec4 at, uvec4 stride) {
	uvec4 part = at * stride;
	return part.x + part.y + part.z + part.w;
}

void element(uint i, bool quad) {
	uvec4 at = place(i);
	uint target = offset(at, p.ys);
#if defined(FILL)
	STORE(y, target, vec4(p.value));
#elif defined(COPY)
	vec4 v = p.value * LOAD(a, offset(at, p.as));
	if (p.accumulate != 0)
		v += LOAD(y, target);
	STORE(y, target, v);
#else
	vec4 v = LOAD(a, offset(at, p.as)) + LOAD(b, offset(at, p.bs));
	STORE(y, target, v);
#endif
}

#include "each.glsl"
