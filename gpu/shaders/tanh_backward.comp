#version 450
#extension GL_GOOGLE_include_directive : require
// T0+ = T1 * (1 - T2^2), T2 the result of tanh.
#include "tensor.glsl"
TENSOR(0, , dx)
TENSOR(1, readonly, g)
TENSOR(2, readonly, y)
layout(set = 1, binding = 0, std140) uniform P {
	uint dxo, go, yo;
	uint len, first, accumulate;
} p;
#define ALIGNED (((p.dxo | p.go | p.yo) & 3) == 0)

void element(uint i, bool quad) {
	vec4 at = LOAD(y, i);
	vec4 v = LOAD(g, i) * (1.0 - at) * (1.0 + at);
	if (p.accumulate != 0)
		v += LOAD(dx, i);
	STORE(dx, i, v);
}

#include "each.glsl"
