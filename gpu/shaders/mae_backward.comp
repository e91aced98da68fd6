#version 450
#extension GL_GOOGLE_include_directive : require
// T0+ = T1[0] * scale * sign(d), scale = F0/n, d the nearest difference of T2 and T3.
#include "tensor.glsl"
#include "nearest.glsl"
TENSOR(0, , y)
layout(set = 0, binding = 1, std430) readonly buffer Gradient { float gradient[]; };
TENSOR(2, readonly, a)
TENSOR(3, readonly, b)
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, gradiento, ao, bo;
	uint len, first, accumulate;
	float scale, period;
} p;
#define ALIGNED (((p.yo | p.ao | p.bo) & 3) == 0)

void element(uint i, bool quad) {
	vec4 d = nearest(LOAD(a, i) - LOAD(b, i), p.period);
	vec4 v = gradient[p.gradiento] * p.scale * mix(sign(d), d, isnan(d));
	if (p.accumulate != 0)
		v += LOAD(y, i);
	STORE(y, i, v);
}

#include "each.glsl"
