#version 450
#extension GL_GOOGLE_include_directive : require
// T0+ = T1 * T2, elementwise.
#include "tensor.glsl"
TENSOR(0, , y)
TENSOR(1, readonly, a)
TENSOR(2, readonly, b)
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, ao, bo;
	uint len, first, accumulate;
} p;
#define ALIGNED (((p.yo | p.ao | p.bo) & 3) == 0)

void element(uint i, bool quad) {
	vec4 v = LOAD(a, i) * LOAD(b, i);
	if (p.accumulate != 0)
		v += LOAD(y, i);
	STORE(y, i, v);
}

#include "each.glsl"
