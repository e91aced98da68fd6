#version 450
#extension GL_GOOGLE_include_directive : require
// T0 = T1 where positive, slope*T1 elsewhere. T0 may be T1.
#include "tensor.glsl"
TENSOR(0, writeonly, y)
TENSOR(1, readonly, x)
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, xo;
	uint len, first, accumulate;
	float slope;
} p;
#define ALIGNED (((p.yo | p.xo) & 3) == 0)

void element(uint i, bool quad) {
	vec4 v = LOAD(x, i);
	STORE(y, i, mix(p.slope * v, v, greaterThan(v, vec4(0))));
}

#include "each.glsl"
