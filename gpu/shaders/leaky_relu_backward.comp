#version 450
#extension GL_GOOGLE_include_directive : require
// T0+ = T1 where T2, the input, is positive, slope*T1 elsewhere.
#include "tensor.glsl"
TENSOR(0, , y)
TENSOR(1, readonly, g)
TENSOR(2, readonly, x)
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, go, xo;
	uint len, first, accumulate;
	float slope;
} p;
#define ALIGNED (((p.yo | p.go | p.xo) & 3) == 0)

void element(uint i, bool quad) {
	vec4 dout = LOAD(g, i);
	vec4 v = mix(p.slope * dout, dout, greaterThan(LOAD(x, i), vec4(0)));
	if (p.accumulate != 0)
		v += LOAD(y, i);
	STORE(y, i, v);
}

#include "each.glsl"
