#version 450
#extension GL_GOOGLE_include_directive : require
// T0+ = T1 times the derivative of gelu at T2, the input.
#include "tensor.glsl"
#include "gelu.glsl"
TENSOR(0, , y)
TENSOR(1, readonly, g)
TENSOR(2, readonly, x)
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, go, xo;
	uint len, first, accumulate;
	uint erf;
} p;
#define ALIGNED (((p.yo | p.go | p.xo) & 3) == 0)

void element(uint i, bool quad) {
	vec4 at = LOAD(x, i), slope;
	vec4 v = curve(at, p.erf != 0, slope);
	v = LOAD(g, i) * (v + bounded(at) * slope);
	if (p.accumulate != 0)
		v += LOAD(y, i);
	STORE(y, i, v);
}

#include "each.glsl"
