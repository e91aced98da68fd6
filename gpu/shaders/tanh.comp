#version 450
#extension GL_GOOGLE_include_directive : require
// T0 = tanh(T1). T0 may be T1.
#include "tensor.glsl"
#include "tanh.glsl"
TENSOR(0, writeonly, y)
TENSOR(1, readonly, x)
layout(set = 1, binding = 0, std140) uniform P {
	uint yo, xo;
	uint len, first, accumulate;
} p;
#define ALIGNED (((p.yo | p.xo) & 3) == 0)

void element(uint i, bool quad) { STORE(y, i, hyperbolic(LOAD(x, i))); }

#include "each.glsl"
